//! What every socket of ours is told.

use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection that is silent for so long is asked whether it holds,
const ASK_AFTER: Duration = Duration::from_secs(30);
/// and without an answer again, this often.
const ASK_AGAIN: Duration = Duration::from_secs(10);
const ASK_TIMES: u32 = 3;

/// Small frames do not wait for more to come, and a machine that has gone is noticed by who only listens: HTTP/1 has
/// no ping of its own. Without either a connection is slower and still works, so that nothing fails here.
pub fn settle(tcp: &TcpStream) {
    let _ = tcp.set_nodelay(true);
    let asked = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_AGAIN)
        .with_retries(ASK_TIMES);
    let _ = SockRef::from(tcp).set_tcp_keepalive(&asked);
}
