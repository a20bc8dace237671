//! The least that a layer can do with the same client: `GETEX` and `SET` of a string that begins with the number.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::{HeaderValue, header};
use redis::aio::MultiplexedConnection;
use tower::{service_fn, util::BoxCloneService};

use crate::app::{App, Contender, FIRST, Request, Response, Size, check};

const SECONDS: u64 = 1_800;

pub(crate) async fn contender(url: &str) -> Contender {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(url).unwrap();
    let connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let begin = |size: Option<Size>| -> App {
        let (connection, next) = (connection.clone(), Arc::clone(&next));
        let texts = size.map(Size::texts).unwrap_or_default();
        let texts: Arc<str> =
            texts.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>().into();
        BoxCloneService::new(service_fn(move |_: Request| {
            let (mut connection, texts) = (connection.clone(), Arc::clone(&texts));
            let id = next.fetch_add(1, Relaxed);
            async move {
                let key = format!("raw:{id:064}");
                write(&mut connection, &key, FIRST, &texts).await;
                let mut response = Response::default();
                let cookie = HeaderValue::from_str(&format!("id={key}; HttpOnly")).unwrap();
                response.headers_mut().insert(header::SET_COOKIE, cookie);
                Ok::<_, Infallible>(response)
            }
        }))
    };
    let read = connection.clone();
    let increment = connection.clone();
    Contender {
        fill: [begin(Some(Size::Small)), begin(Some(Size::Large))],
        read: BoxCloneService::new(service_fn(move |request: Request| {
            let mut connection = read.clone();
            async move {
                let value = load(&mut connection, key(&request)).await;
                check(number(&value));
                Ok(Response::default())
            }
        })),
        increment: BoxCloneService::new(service_fn(move |request: Request| {
            let mut connection = increment.clone();
            async move {
                let value = load(&mut connection, key(&request)).await;
                let visits = number(&value);
                check(visits);
                let texts = value.split_at(value.find(' ').unwrap()).1;
                write(&mut connection, key(&request), visits.unwrap() + 1, texts).await;
                Ok(Response::default())
            }
        })),
        create: begin(None),
    }
}

async fn load(connection: &mut MultiplexedConnection, key: &str) -> String {
    let mut get = redis::cmd("GETEX");
    get.arg(key).arg("EX").arg(SECONDS);
    get.query_async(connection).await.unwrap()
}

async fn write(connection: &mut MultiplexedConnection, key: &str, visits: u64, texts: &str) {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(format!("{visits}{texts} ")).arg("EX").arg(SECONDS);
    set.query_async::<()>(connection).await.unwrap();
}

fn key(request: &Request) -> &str {
    request.headers()[header::COOKIE].to_str().unwrap().split_once('=').unwrap().1
}

fn number(value: &str) -> Option<u64> {
    value.split(' ').next()?.parse().ok()
}
