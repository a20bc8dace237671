//! What stands between a client and a server: [`Proxy`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::broadcast,
};

/// Passes bytes between clients and a server, counts round trips, and cuts connections.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<State>);

#[derive(Debug)]
struct State {
    port: u16,
    round_trips: AtomicU64,
    connections: AtomicUsize,
    refuses: AtomicBool,
    cut: broadcast::Sender<()>,
}

impl Proxy {
    /// A proxy to a port of this machine. It ends with the runtime.
    pub async fn to(port: u16) -> Self {
        Self::to_each([port]).await
    }

    /// A proxy to several ports of this machine, to each in turn with each connection.
    pub async fn to_each(ports: impl IntoIterator<Item = u16>) -> Self {
        let servers = ports.into_iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut servers = servers.collect::<Vec<_>>().into_iter().cycle();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (cut, _) = broadcast::channel(16);
        let proxy = Self(Arc::new(State {
            port: listener.local_addr().unwrap().port(),
            round_trips: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            cut,
        }));
        let state = Arc::clone(&proxy.0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = servers.next().expect("a proxy leads somewhere");
                if !state.refuses.load(SeqCst) {
                    let state = Arc::clone(&state);
                    tokio::spawn(async move { pass(&state, client, server).await });
                }
            }
        });
        proxy
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// How often a client sent something after it had got something, or at first.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.0.round_trips.load(SeqCst)
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.load(SeqCst)
    }

    /// Cuts all connections where they stand.
    pub fn cut(&self) {
        drop(self.0.cut.send(()));
    }

    /// Sets whether new connections are closed at once.
    pub fn refuse(&self, refuses: bool) {
        self.0.refuses.store(refuses, SeqCst);
    }
}

async fn pass(state: &State, client: TcpStream, server: SocketAddr) {
    let mut cut = state.cut.subscribe();
    let Ok(server) = TcpStream::connect(server).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    state.connections.fetch_add(1, SeqCst);
    let answered = AtomicBool::new(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, || {
        if answered.swap(false, SeqCst) {
            state.round_trips.fetch_add(1, SeqCst);
        }
    });
    let down = copy(from_server, to_client, || answered.store(true, SeqCst));
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = cut.recv() => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passes: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        passes();
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
