//! Requests that go step by step, and what they are compared with.

use std::{collections::BTreeMap, sync::Arc};

use axum::response::Response;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower_keep::{Record, SessionLayer, Store};

use super::{
    Model, Operation,
    model::{Session, Told},
    name, updated,
};
use crate::{Gate, Jar, Visit, race::for_each_order, visit::our_cookies};

/// What some requests do, and in what order.
#[derive(Clone, Debug)]
pub struct Case {
    /// The operations of each request.
    pub requests: Vec<Vec<Operation>>,
    /// Whose turn it is, by the number of those that are not at their end.
    pub schedule: Vec<u8>,
}

/// What is told of a step: whether the field was seen, and whether a save found its session.
type Done = (bool, bool);

struct Driven {
    steps: mpsc::Sender<(Operation, oneshot::Sender<Done>)>,
    response: JoinHandle<Response>,
}

/// The fields that the session has before the requests.
const BEFORE: [(u8, u64); 2] = [(0, 5), (1, 7)];

async fn begin(layer: &SessionLayer) -> (Jar, Session) {
    let mut jar = Jar::new();
    let visit = Visit::to(layer).run(async |session: tower_keep::Session| {
        for (field, number) in BEFORE {
            session.insert(name(field), number)?;
        }
        Ok::<_, tower_keep::Error>(())
    });
    jar.take(&visit.await);
    let session = Session { fields: BTreeMap::from(BEFORE), user: None };
    (jar, session)
}

async fn act(session: &tower_keep::Session, operation: Operation) -> Done {
    let seen = match operation {
        Operation::Remove(field) => session.keys().contains(&name(field)),
        _ => false,
    };
    let mut was_there = true;
    match operation {
        Operation::Get(field) => drop(session.get::<u64>(name(field)).unwrap()),
        Operation::Insert(field, number) => session.insert(name(field), number).unwrap(),
        Operation::Remove(field) => session.remove(name(field)).unwrap(),
        Operation::Update(field, by) => {
            let update = move |number: &mut u64| *number = updated(*number, by);
            session.update(name(field), update).unwrap();
        }
        Operation::Clear => session.clear(),
        Operation::Rotate => session.rotate(),
        Operation::SetUser(user) => session.set_user(u32::from(user)).unwrap(),
        Operation::Destroy => session.destroy(),
        Operation::Save => match session.save().await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), tower_keep::ErrorKind::Gone);
                was_there = false;
            }
        },
    }
    (seen, was_there)
}

async fn drive(layer: &SessionLayer, jar: &Jar) -> Driven {
    let (steps, mut next) = mpsc::channel::<(Operation, oneshot::Sender<Done>)>(1);
    let (loaded, is_loaded) = oneshot::channel();
    let visit = Visit::to(layer).with(jar);
    let response = visit.spawn(async move |session: tower_keep::Session| {
        loaded.send(()).unwrap();
        while let Some((operation, done)) = next.recv().await {
            done.send(act(&session, operation).await).unwrap();
        }
    });
    is_loaded.await.unwrap();
    Driven { steps, response }
}

/// Runs the steps of a case in its order, and compares every step with the model.
pub async fn run_in_steps(store: Arc<dyn Store>, case: &Case) {
    let layer = SessionLayer::new(Arc::clone(&store));
    let (jar, first) = begin(&layer).await;
    let mut model = Model::new(first, case.requests.len());
    let mut running = Vec::new();
    for (number, operations) in case.requests.iter().enumerate() {
        let driven = drive(&layer, &jar).await;
        running.push((number, operations.iter(), driven));
    }
    let mut tokens = BTreeMap::from([(0, jar.clone())]);
    let mut schedule = case.schedule.iter().copied();
    while !running.is_empty() {
        let place = usize::from(schedule.next().unwrap_or(0)) % running.len();
        let (number, operations, driven) = &mut running[place];
        if let Some(operation) = operations.next() {
            let (done, is_done) = oneshot::channel();
            driven.steps.send((*operation, done)).await.unwrap();
            let (seen, was_there) = is_done.await.unwrap();
            model.act(*number, *operation, seen);
            if *operation == Operation::Save {
                assert_eq!(model.commit(*number), was_there, "what `save` tells");
            }
        } else {
            let (number, _, Driven { steps, response }) = running.remove(place);
            drop(steps);
            let response = response.await.unwrap();
            model.commit(number);
            check_response(&response, model.told(number), &mut tokens);
        }
    }
    check_store(&store, &model.live, &tokens).await.unwrap();
}

fn check_response(response: &Response, told: Told, tokens: &mut BTreeMap<usize, Jar>) {
    assert_eq!(response.status(), 200);
    let cookies = our_cookies(response);
    let mut jar = Jar::new();
    jar.take(response);
    match told {
        Told::Nothing => assert_eq!(cookies, [""; 0]),
        Told::Forget => assert!(cookies.len() == 1 && jar.text().is_none(), "{cookies:?}"),
        Told::Token(key) => {
            assert!(cookies.len() == 1 && jar.text().is_some(), "{cookies:?}");
            tokens.insert(key, jar);
        }
    }
}

/// Compares the sessions that the tokens open with those of the model.
async fn check_store(
    store: &Arc<dyn Store>,
    live: &BTreeMap<usize, Session>,
    tokens: &BTreeMap<usize, Jar>,
) -> Result<(), String> {
    for key in live.keys() {
        if !tokens.contains_key(key) {
            return Err(format!("nobody was told the token of session {key}"));
        }
    }
    for (key, jar) in tokens {
        let loaded = store.load(&jar.id().unwrap()).await.unwrap();
        let found = loaded.map(|loaded| session_of(&loaded.record));
        if found.as_ref() != live.get(key) {
            let expected = live.get(key);
            return Err(format!("session {key} is {found:?}, not {expected:?}"));
        }
    }
    Ok(())
}

fn session_of(record: &Record) -> Session {
    let fields = record.fields.iter().map(|(name, json)| {
        let field = name.strip_prefix("field-").unwrap().parse().unwrap();
        (field, json.parse().unwrap())
    });
    Session {
        fields: fields.collect(),
        user: record.user.as_ref().map(|user| user.as_str().parse().unwrap()),
    }
}

/// Runs all requests of a case at once, each with one commit, and looks for a serial order of the
/// commits that explains what they left.
pub async fn run_at_once(store: Arc<dyn Store>, case: &Case) {
    let layer = SessionLayer::new(Arc::clone(&store));
    let (jar, first) = begin(&layer).await;
    let gate = Gate::new();
    let mut visits = Vec::new();
    let mut model = Model::new(first, case.requests.len());
    for (number, operations) in case.requests.iter().enumerate() {
        let operations = operations.iter().copied();
        let operations: Vec<_> = operations.filter(|o| *o != Operation::Save).collect();
        // What is seen is what was loaded, with the request's own writes over it.
        let (tell, told) = oneshot::channel();
        let gate = gate.clone();
        let visit = Visit::to(&layer).with(&jar);
        let inside = operations.clone();
        let visit = visit.spawn(async move |session: tower_keep::Session| {
            let mut seen = Vec::new();
            for operation in inside {
                seen.push(act(&session, operation).await.0);
            }
            tell.send(seen).unwrap();
            gate.pass().await;
        });
        for (operation, seen) in operations.into_iter().zip(told.await.unwrap()) {
            model.act(number, operation, seen);
        }
        visits.push(visit);
    }
    gate.arrived(visits.len() as u32).await;
    gate.open(visits.len());
    let mut responses = Vec::new();
    for visit in visits {
        responses.push(visit.await.unwrap());
    }
    let mut orders = Vec::new();
    let numbers: Vec<usize> = (0..responses.len()).collect();
    for_each_order(&numbers, &mut |order| orders.push(order.to_vec()));
    let mut refuted = Vec::new();
    for order in orders {
        match explain(&store, model.clone(), &jar, &order, &responses).await {
            Ok(()) => return,
            Err(why) => refuted.push(format!("{order:?}: {why}")),
        }
    }
    panic!("no serial order explains it:\n{}", refuted.join("\n"));
}

async fn explain(
    store: &Arc<dyn Store>,
    mut model: Model,
    jar: &Jar,
    order: &[usize],
    responses: &[Response],
) -> Result<(), String> {
    let mut tokens = BTreeMap::from([(0, jar.clone())]);
    for number in order {
        model.commit(*number);
        let mut sent = Jar::new();
        sent.take(&responses[*number]);
        let cookies = our_cookies(&responses[*number]).len();
        match (model.told(*number), cookies, sent.text()) {
            (Told::Nothing, 0, None) | (Told::Forget, 1, None) => {}
            (Told::Token(key), 1, Some(_)) => {
                tokens.insert(key, sent);
            }
            (told, ..) => return Err(format!("request {number} was not told {told:?}")),
        }
    }
    check_store(store, &model.live, &tokens).await
}
