//! The raw drivers: the least that a request over them can cost.

use std::{
    cell::Cell,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use http::{HeaderValue, header};
use tokio_postgres::{Client, NoTls, Statement};
use tower::{service_fn, util::BoxCloneService};

use crate::app::{Contender, FIRST, Request, Response, texts};

/// So many connections, as many as tower-keep has.
const CONNECTIONS: usize = 4;

/// A connection and its statements: read, write, insert.
struct Lane {
    client: Client,
    statements: [Statement; 3],
}

/// tokio-postgres, its statements pipelined on a few connections.
pub(crate) async fn postgres(url: &str) -> Contender {
    let mut lanes = Vec::new();
    for place in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        if place == 0 {
            let table = "CREATE TABLE raw (id bytea PRIMARY KEY, data bytea NOT NULL, \
                         expires timestamptz NOT NULL)";
            client.batch_execute(table).await.unwrap();
        }
        let read = "SELECT data FROM raw WHERE id = $1 AND expires > now()";
        let write = "UPDATE raw SET data = $2, expires = now() + interval '1 day' WHERE id = $1";
        let insert = "INSERT INTO raw VALUES ($1, $2, now() + interval '1 day')";
        let statements = [
            client.prepare(read).await.unwrap(),
            client.prepare(write).await.unwrap(),
            client.prepare(insert).await.unwrap(),
        ];
        lanes.push(Lane { client, statements });
    }
    let lanes = Arc::new(Lanes { lanes, next: AtomicUsize::new(0), ids: AtomicU64::new(1) });
    let app = |kind: Kind| {
        let lanes = Arc::clone(&lanes);
        BoxCloneService::new(service_fn(move |request| run(Arc::clone(&lanes), kind, request)))
    };
    Contender {
        name: "raw driver",
        fill: app(Kind::Create),
        read: app(Kind::Read),
        increment: app(Kind::Increment),
        create: app(Kind::Create),
    }
}

struct Lanes {
    lanes: Vec<Lane>,
    next: AtomicUsize,
    ids: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Increment,
    Create,
}

async fn run(lanes: Arc<Lanes>, kind: Kind, request: Request) -> Result<Response, Infallible> {
    let Lane { client, statements: [read, write, insert] } =
        &lanes.lanes[lanes.next.fetch_add(1, Relaxed) % CONNECTIONS];
    let mut response = Response::default();
    if kind == Kind::Create {
        let id = lanes.ids.fetch_add(1, Relaxed);
        client.execute(insert, &[&key(id), &data(FIRST)]).await.unwrap();
        let cookie = HeaderValue::from_str(&format!("id={id}; Path=/")).unwrap();
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        return Ok(response);
    }
    let cookie = request.headers()[header::COOKIE].to_str().unwrap();
    let id = key(cookie.strip_prefix("id=").unwrap().parse().unwrap());
    let row = client.query_one(read, &[&id]).await.unwrap();
    let bytes: &[u8] = row.get(0);
    let visits = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    if kind == Kind::Increment {
        client.execute(write, &[&id, &data(visits + 1)]).await.unwrap();
    }
    Ok(response)
}

/// Spread, as digests are.
fn key(id: u64) -> Vec<u8> {
    let mixed = Cell::new(id);
    (0..4)
        .flat_map(|_| {
            mixed.set(mixed.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (mixed.get() >> 29));
            mixed.get().to_le_bytes()
        })
        .collect()
}

fn data(visits: u64) -> Vec<u8> {
    let mut data = visits.to_le_bytes().to_vec();
    for (name, value) in texts() {
        data.extend_from_slice(name.as_bytes());
        data.extend_from_slice(value.as_bytes());
    }
    data
}
