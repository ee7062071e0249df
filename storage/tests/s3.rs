//! Buckets, against a real server of the S3 protocol (moto), whose command is in `DASKLIKE_MOTO`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by panicking"
)]

use dasklike_graph::plan::Source;
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use dasklike_storage::{
    ArrayReader, DatasetInfo, OpenError, ReadErrorKind, ReadScratch, Store, open_dataset, read_all,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
struct Moto {
    child: Child,
    endpoint: String,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start() -> Moto {
        let command = std::env::var("DASKLIKE_MOTO").expect(
            "DASKLIKE_MOTO is not set: run `cargo xtask test`, which installs the server, or set it to the path of moto_server",
        );
        // The port is free when we look; the server takes it a moment later.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(command)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let moto = Moto {
            child,
            endpoint: format!("http://{address}"),
            address,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&moto.address).is_err() {
            assert!(
                Instant::now() < deadline,
                "the s3 server did not start within a minute"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// A request without a signature; its status must be one of success.
    fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let close = "Connection: close";
        write!(stream, "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}{close}\r\n\r\n")
            .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 2"),
            "{method} {path}: {answer}"
        );
    }

    /// Puts the files of a folder under `prefix`, for all to read or for those with credentials.
    fn upload(&self, folder: &Path, prefix: &str, public: bool) {
        let headers = if public {
            "x-amz-acl: public-read\r\n"
        } else {
            ""
        };
        let mut folders = vec![folder.to_owned()];
        while let Some(at) = folders.pop() {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = format!("{prefix}/{}", path.strip_prefix(folder).unwrap().display());
                    self.raw("PUT", &key, headers, &std::fs::read(&path).unwrap());
                }
            }
        }
    }
}

/// A proxy before the server that fails the next requests: with a 503, or by closing in the middle of the answer.
struct Proxy {
    endpoint: String,
    faults: Arc<Mutex<Vec<Fault>>>,
}

#[derive(Clone, Copy)]
enum Fault {
    Unavailable,
    Cut,
}

impl Proxy {
    fn start(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let faults = Arc::new(Mutex::new(Vec::new()));
        let (for_thread, target) = (faults.clone(), target.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fault = for_thread.lock().unwrap().pop();
                // A client that hangs up is its own affair.
                let _ = relay(client, &target, fault);
            }
        });
        Proxy { endpoint, faults }
    }
}

/// Relays one GET, whose answer ends the connection.
fn relay(mut client: TcpStream, target: &str, fault: Option<Fault>) -> std::io::Result<()> {
    let lines = BufReader::new(client.try_clone()?)
        .lines()
        .map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|l| !l.is_empty()).collect();
    if let Some(Fault::Unavailable) = fault {
        return client.write_all(
            b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let mut server = TcpStream::connect(target)?;
    server.write_all(format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let sent = if fault.is_some() {
        answer.len() - 500
    } else {
        answer.len()
    };
    client.write_all(&answer[..sent])
}

fn options(endpoint: &str, anonymous: bool) -> BTreeMap<String, String> {
    let all = [
        ("endpoint", endpoint),
        ("region", "eu-central-1"),
        ("anonymous", if anonymous { "true" } else { "false" }),
    ];
    all.into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

async fn open(
    location: &str,
    options: &BTreeMap<String, String>,
) -> Result<DatasetInfo, OpenError> {
    open_dataset(&Store::open(location, options).unwrap()).await
}

async fn assert_same(a: &DatasetInfo, b: &DatasetInfo) {
    assert_eq!(a.arrays.len(), b.arrays.len());
    for (a, b) in a.arrays.iter().zip(&b.arrays) {
        assert_eq!(
            read_all(&a.source).await.unwrap(),
            read_all(&b.source).await.unwrap(),
            "{}",
            a.name
        );
    }
}

#[tokio::test]
async fn buckets_are_read() {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("cube");
    let spec = SampleSpec {
        steps: 2,
        size: 100,
        chunk: 64,
        codec: SampleCodec::BloscZstd,
    };
    write_sample(&cube, &spec, &mut |_, _| {}).unwrap();
    let local = open(cube.to_str().unwrap(), &BTreeMap::new())
        .await
        .unwrap();
    moto.raw("PUT", "cubes", "", b"");
    moto.upload(&cube, "cubes/open/cube", true);
    moto.upload(&cube, "cubes/closed/cube", false);

    let anyone = options(&moto.endpoint, true);
    let remote = open("s3://cubes/open/cube", &anyone).await.unwrap();
    assert_eq!(remote.arrays[0].source.options, anyone);
    assert_same(&remote, &local).await;
    assert_eq!(
        open("s3://cubes/open/cube/scl/", &anyone)
            .await
            .unwrap()
            .arrays[0]
            .name,
        "scl"
    );

    // 403: what is not for all.
    let refused = open("s3://cubes/closed/cube", &anyone).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Read {
                kind: ReadErrorKind::Forbidden(_),
                ..
            }
        ),
        "{refused}"
    );
    with_credentials(&moto, &cube);

    // 404: of a chunk, which is then absent.
    moto.raw("DELETE", "cubes/open/cube/red/c/0/0/0", "", b"");
    let reader = ArrayReader::open(&remote.array("red").unwrap().source).unwrap();
    assert_eq!(reader.fetch(&[0, 0, 0]).await.unwrap(), None);

    // An object that was stored cut off.
    let whole = std::fs::read(cube.join("red/c/0/1/1")).unwrap();
    moto.raw(
        "PUT",
        "cubes/open/cube/red/c/0/1/1",
        "x-amz-acl: public-read\r\n",
        &whole[..whole.len() / 2],
    );
    let encoded = reader.fetch(&[0, 1, 1]).await.unwrap().unwrap();
    let damaged = reader
        .decode(
            &[0, 1, 1],
            &encoded,
            &mut ReadScratch::default(),
            &mut [0; 8192],
        )
        .unwrap_err();
    assert!(
        matches!(damaged.kind, ReadErrorKind::Checksum { .. }),
        "{damaged}"
    );

    // 503 and answers that end in the middle are asked for again.
    let proxy = Proxy::start(&moto.address);
    let source = Source {
        options: options(&proxy.endpoint, true),
        ..remote.array("red").unwrap().source.clone()
    };
    let reader = ArrayReader::open(&source).unwrap();
    let good = std::fs::read(cube.join("red/c/1/0/0")).unwrap();
    for faults in [
        vec![],
        vec![Fault::Unavailable; 3],
        vec![Fault::Cut],
        vec![Fault::Cut, Fault::Unavailable, Fault::Cut],
    ] {
        *proxy.faults.lock().unwrap() = faults;
        assert_eq!(reader.fetch(&[1, 0, 0]).await.unwrap().unwrap(), good);
        assert!(proxy.faults.lock().unwrap().is_empty());
    }
}

/// Credentials are the environment's, so it is a child process that has some.
fn with_credentials(moto: &Moto, cube: &Path) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_with_credentials",
            "--ignored",
            "--nocapture",
        ])
        .env("DASKLIKE_TEST_ENDPOINT", &moto.endpoint)
        .env("DASKLIKE_TEST_CUBE", cube)
        .env("AWS_ACCESS_KEY_ID", "somebody")
        .env("AWS_SECRET_ACCESS_KEY", "something")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && words.contains("1 passed"),
        "{words}"
    );
}

#[tokio::test]
#[ignore = "buckets_are_read starts it, with credentials"]
async fn child_with_credentials() {
    let endpoint = std::env::var("DASKLIKE_TEST_ENDPOINT").unwrap();
    let local = open(
        &std::env::var("DASKLIKE_TEST_CUBE").unwrap(),
        &BTreeMap::new(),
    )
    .await
    .unwrap();
    let signed = options(&endpoint, false);
    assert_same(
        &open("s3://cubes/closed/cube", &signed).await.unwrap(),
        &local,
    )
    .await;
    for nothing in ["s3://cubes/none", "s3://nowhere/cube"] {
        assert!(
            matches!(open(nothing, &signed).await, Err(OpenError::NotZarr { .. })),
            "{nothing}"
        );
    }
}
