//! A cube behind HTTP with latency: ours against what the bytes cost at full concurrency, and
//! against Dask.

use crate::bare::{self, DiskArray};
use crate::cube::Cube;
use crate::ours::{Ours, mean_and_count, ndvi, open};
use crate::programs::{peer, peer_versions};
use crate::race::{Contender, fastest, race, timed};
use crate::report::{Report, Target};
use crate::slow_server::SlowServer;
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use dasklike::array::DecodeFloat;
use dasklike_storage::sample::SampleCodec;
use futures::{StreamExt, TryStreamExt};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use zarrs::array::{ArrayToBytesCodecTraits, CodecOptions};

const OURS: &str = "dasklike: mean and count, f32";
const LATENCY: Duration = Duration::from_millis(30);
/// How many requests the bare program keeps in flight; which number is best depends on the machine.
const IN_FLIGHT: [usize; 3] = [64, 128, 256];

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::BloscZstd)?;
    let server = SlowServer::start(&cube.path, LATENCY)?;
    let arrays = bare::open(&cube.path)?;
    let (url, arrays) = (&server.url, &arrays);
    let local = Ours::start()?;
    let cube_behind_http = open(url, DecodeFloat::F32)?;
    let mut contenders = Vec::new();
    for in_flight in IN_FLIGHT {
        let name = format!("bare fetch and decode, {in_flight} requests in flight");
        contenders.push(Contender::new(name, move || {
            timed(|| fetch_and_decode(url, arrays, in_flight).map(|()| Vec::new()))
        }));
    }
    for chunks in ["stored", "steps"] {
        contenders.push(Contender::new(
            format!("dask.distributed, chunks {chunks}"),
            || {
                peer(
                    "ndvi.py",
                    &[
                        "distributed",
                        &server.url,
                        "--chunks",
                        chunks,
                        "--workers",
                        "threads",
                    ],
                )
            },
        ));
    }
    contenders.push(Contender::new(OURS, || {
        timed(|| local.first_of(&mean_and_count(&ndvi(&cube_behind_http))))
    }));
    let timings = race(contenders, 3)?;

    let mut report = Report::new(
        "http",
        "NDVI of each step of a cube behind HTTP with 30 ms latency, compute alone",
    );
    report.fact("peers", peer_versions()?);
    report.fact("input", cube.describe()?);
    report.timings(&timings);
    let ours = fastest(&timings, &[OURS]);
    report.figure(
        "of the speed of the bare program at its best",
        fastest(&timings, &["bare"]) / ours,
        "",
        Target::AtLeast(0.7),
    );
    report.figure(
        "against dask.distributed at its best",
        fastest(&timings, &["distributed"]) / ours,
        "x",
        Target::AtLeast(5.0),
    );
    report.print()
}

/// Fetches every chunk with `in_flight` requests at once, decodes on two threads and drops.
fn fetch_and_decode(url: &str, arrays: &[Arc<DiskArray>], in_flight: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .context("cannot make an HTTP client")?;
    let (send, receive) = mpsc::channel();
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        let decoders: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| decode_all(arrays, &receive)))
            .collect();
        let fetched = runtime.block_on(async {
            let chunks = bare::chunks(arrays[0].chunk_grid_shape(), arrays.len());
            let requests = chunks.into_iter().map(|(array, indices)| {
                let key = arrays[array].chunk_key(&indices);
                let request = client.get(format!("{url}/{key}"));
                async move {
                    anyhow::Ok((
                        array,
                        indices,
                        request.send().await?.error_for_status()?.bytes().await?,
                    ))
                }
            });
            let mut arrivals = futures::stream::iter(requests).buffer_unordered(in_flight);
            while let Some(arrival) = arrivals.try_next().await? {
                send.send(arrival)
                    .map_err(|_| anyhow!("the decoding threads ended early"))?;
            }
            Ok(())
        });
        // The decoders end when nothing more can come.
        drop(send);
        for decoder in decoders {
            decoder
                .join()
                .map_err(|_| anyhow!("a decoding thread panicked"))??;
        }
        fetched
    })
}

type Arrival = (usize, Vec<u64>, Bytes);

fn decode_all(arrays: &[Arc<DiskArray>], receive: &Mutex<mpsc::Receiver<Arrival>>) -> Result<()> {
    let options = CodecOptions::default().with_concurrent_target(1);
    loop {
        let arrival = receive
            .lock()
            .map_err(|_| anyhow!("a decoding thread panicked"))?
            .recv();
        let Ok((array, indices, bytes)) = arrival else {
            return Ok(());
        };
        let array = &arrays[array];
        let shape = array.chunk_shape(&indices)?;
        let decoded = array.codecs().decode(
            bytes.as_ref().into(),
            &shape,
            array.data_type(),
            array.fill_value(),
            &options,
        )?;
        std::hint::black_box(&decoded);
    }
}
