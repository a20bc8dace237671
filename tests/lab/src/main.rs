//! The lab: a server that shows every behaviour of sessions over HTTP and gRPC, so that suites
//! written for other session systems can be replayed against it. It uses only the public API.
//!
//! Run: `LAB_ADDR=127.0.0.1:3000 LAB_SECURE=0 cargo run -p tower-keep-lab`
//! Try: `curl --cookie-jar jar --cookie jar --request POST 'http://127.0.0.1:3000/incr?k=n'`

mod grpc;
mod routes;
mod settings;
mod stop;
mod value;

use std::{error::Error, net::SocketAddr, process::ExitCode};

use settings::Settings;
use stop::Stop;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "nobody else tells why it did not start")]
            {
                eprintln!("tower-keep-lab: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    if settings.trace {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
    }
    tower_keep::migrate(&settings.store).await?;
    let store = tower_keep::connect(&settings.store).await?;
    let layer = settings.layer(store.clone())?;
    let grpc_layer = settings.grpc_layer(store)?;

    let stop = Stop::on_signal()?;
    let listener = TcpListener::bind(&settings.address).await?;
    let grpc_listener = match &settings.grpc_address {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    announce(&listener, grpc_listener.as_ref())?;

    let app = routes::router(layer).into_make_service_with_connect_info::<SocketAddr>();
    let http = axum::serve(listener, app).with_graceful_shutdown(stop.wait());
    let grpc = async {
        match grpc_listener {
            Some(listener) => grpc::serve(listener, grpc_layer, stop.wait()).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(async { http.await.map_err(Box::<dyn Error>::from) }, async {
        grpc.await.map_err(Box::<dyn Error>::from)
    },)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "whoever started the lab waits for this line")]
fn announce(http: &TcpListener, grpc: Option<&TcpListener>) -> std::io::Result<()> {
    println!("listening on http://{}", http.local_addr()?);
    if let Some(grpc) = grpc {
        println!("gRPC on http://{}", grpc.local_addr()?);
    }
    Ok(())
}
