//! A small file server that can be told to misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What to do with the next request for a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Answer with this status and no file.
    Status(u16),
    /// Promise the whole body and close after half of it.
    Cut,
}

/// Serves the files of a folder on loopback until the process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Faults of a path and how many more requests they hit.
    faults: HashMap<String, (Fault, usize)>,
    /// Requests: path, and the range if there was one.
    log: Vec<(String, Option<String>)>,
}

impl Server {
    pub(crate) fn start(root: &Path) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            state: Mutex::default(),
        });
        let for_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = for_thread.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Server { url, shared }
    }

    /// Lets the next `times` requests for `path` (without its first slash) fail.
    pub(crate) fn fail(&self, path: &str, fault: Fault, times: usize) {
        self.shared
            .state
            .lock()
            .unwrap()
            .faults
            .insert(path.to_owned(), (fault, times));
    }

    /// Takes the requests so far.
    pub(crate) fn log(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.shared.state.lock().unwrap().log)
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        let headers: Vec<String> = lines.take_while(|l| !l.is_empty()).collect();
        let range = headers.iter().find_map(|h| {
            let (name, value) = h.split_once(':')?;
            name.eq_ignore_ascii_case("range")
                .then(|| value.trim().trim_start_matches("bytes=").to_owned())
        });
        let path = request
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned();
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.log.push((path.clone(), range.clone()));
            state
                .faults
                .get_mut(&path)
                .filter(|(_, left)| *left > 0)
                .map(|(fault, left)| {
                    *left -= 1;
                    *fault
                })
        };
        let file = std::fs::read(self.root.join(&path));
        // What a client that hangs up makes of it is its own affair.
        let _ = match (fault, file) {
            (Some(Fault::Status(status)), _) => {
                answer(&mut stream, &format!("{status} Fault"), "", b"no", 2)
            }
            (_, Err(_)) => answer(&mut stream, "404 Not Found", "", b"", 0),
            (fault, Ok(file)) => {
                let (start, end) = span(range.as_deref(), file.len());
                let body = &file[start..end];
                let sent = if matches!(fault, Some(Fault::Cut)) {
                    &body[..body.len() / 2]
                } else {
                    body
                };
                let (status, extra) = match range {
                    Some(_) => {
                        let extra = format!(
                            "Content-Range: bytes {start}-{}/{}\r\n",
                            end - 1,
                            file.len()
                        );
                        ("206 Partial Content", extra)
                    }
                    None => ("200 OK", String::new()),
                };
                answer(&mut stream, status, &extra, sent, body.len())
            }
        };
    }
}

fn span(range: Option<&str>, len: usize) -> (usize, usize) {
    let Some((from, to)) = range.and_then(|r| r.split_once('-')) else {
        return (0, len);
    };
    match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from.min(len), (to + 1).min(len)),
        (Ok(from), Err(_)) => (from.min(len), len),
        (Err(_), Ok(last)) => (len.saturating_sub(last), len),
        _ => (0, len),
    }
}

fn answer(
    stream: &mut TcpStream,
    status: &str,
    extra: &str,
    body: &[u8],
    length: usize,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{extra}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}
