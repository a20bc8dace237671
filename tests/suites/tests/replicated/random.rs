//! Random stories of two servers over members that fail, lose answers and come back, beside a model that
//! knows what each session may be.

use std::{collections::BTreeSet, sync::Arc};

use proptest::{collection::vec, prelude::*};
use tower_keep::{
    Applied, Change, Created, Lifetime, NewRecord, Purge, Record, ReplicatedStore, Rotated,
    SessionId, Store, StoreErrorKind, TestClock, Token,
};
use tower_keep_tests::{Call, Fault, rounds};

use super::support::{Member, members, over, send_away};

#[derive(Clone, Debug)]
enum Act {
    Create,
    /// Sets the field of a session, based on what was loaded last.
    Set {
        server: usize,
        session: usize,
    },
    Load {
        server: usize,
        session: usize,
    },
    Rotate {
        server: usize,
        session: usize,
    },
    Delete {
        server: usize,
        session: usize,
    },
    Repair {
        server: usize,
    },
    /// A member fails until it is back.
    Away {
        member: usize,
    },
    Back {
        member: usize,
    },
    /// A member carries calls out and says that it did not.
    Lies {
        member: usize,
        calls: usize,
    },
    /// A member fails some calls.
    Stumbles {
        member: usize,
        calls: usize,
    },
    /// A member loses all it has.
    Forgets {
        member: usize,
    },
}

fn act(members: usize, forgets: bool) -> impl Strategy<Value = Act> {
    let (server, session, member) = (0..2_usize, 0..6_usize, 0..members);
    let calls = 1..6_usize;
    let place = (server.clone(), session);
    prop_oneof![
        3 => Just(Act::Create),
        6 => place.clone().prop_map(|(server, session)| Act::Set { server, session }),
        6 => place.clone().prop_map(|(server, session)| Act::Load { server, session }),
        2 => place.clone().prop_map(|(server, session)| Act::Rotate { server, session }),
        2 => place.prop_map(|(server, session)| Act::Delete { server, session }),
        1 => server.prop_map(|server| Act::Repair { server }),
        3 => member.clone().prop_map(|member| Act::Away { member }),
        5 => member.clone().prop_map(|member| Act::Back { member }),
        2 => (member.clone(), calls.clone()).prop_map(|(member, calls)| Act::Lies { member, calls }),
        2 => (member.clone(), calls).prop_map(|(member, calls)| Act::Stumbles { member, calls }),
        3 => member.prop_map(move |member| match forgets {
            true => Act::Forgets { member },
            false => Act::Back { member },
        }),
    ]
}

/// What a session is: its number; `None` where there is none, or not any more.
type Is = Option<u64>;

struct Session {
    id: SessionId,
    may: BTreeSet<Is>,
    /// Changes whose outcome is unknown, which may come to pass yet: from what to what.
    open: BTreeSet<(Is, Is)>,
    /// What was loaded last.
    seen: Option<Arc<Record>>,
    /// The number that is written next.
    next: u64,
}

struct Story {
    members: Vec<Member>,
    servers: [ReplicatedStore; 2],
    sessions: Vec<Session>,
    /// Whether a member has forgotten something, after which only what is over has to stay over.
    forgot: bool,
}

impl Story {
    fn new(count: usize) -> Self {
        let clock: Arc<TestClock> = Arc::default();
        let members = members(&clock, count);
        let servers = [over(&members, &clock), over(&members, &clock)];
        Self { members, servers, sessions: Vec::new(), forgot: false }
    }

    async fn run(&mut self, act: &Act) {
        match *act {
            Act::Create => self.create().await,
            Act::Set { server, session } => self.set(server, session).await,
            Act::Load { server, session } => self.load(server, session).await,
            Act::Rotate { server, session } => self.rotate(server, session).await,
            Act::Delete { server, session } => self.delete(server, session).await,
            Act::Repair { server } => {
                let _ = self.servers[server].repair(None, 100).await;
            }
            Act::Away { member } => send_away(&self.members[member]),
            Act::Back { member } => self.members[member].heal(),
            Act::Lies { member, calls } => {
                let kind = StoreErrorKind::TimedOut;
                self.fail(member, calls, &Fault::FailsAfter(kind));
            }
            Act::Stumbles { member, calls } => {
                let kind = StoreErrorKind::Unavailable;
                self.fail(member, calls, &Fault::Fails(kind));
            }
            Act::Forgets { member } => {
                Purge::purge(self.members[member].inner()).await.unwrap();
                self.forgot = true;
            }
        }
    }

    fn fail(&self, member: usize, calls: usize, fault: &Fault) {
        for call in [Call::Apply, Call::Create] {
            for _ in 0..calls {
                self.members[member].next(call, fault.clone());
            }
        }
    }

    async fn create(&mut self) {
        if self.sessions.len() == 6 {
            return;
        }
        let id = Token::random().unwrap().id();
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.fields = [("n", "0")].into_iter().collect();
        let is = match self.servers[0].create(&id, new).await {
            Ok(Created::Created(_)) => (Some(0), None),
            Ok(other) => panic!("{other:?} for a fresh id"),
            Err(_) => (None, Some((None, Some(0)))),
        };
        self.sessions.push(Session::new(id, is, 1));
    }

    async fn load(&mut self, server: usize, session: usize) {
        let forgot = self.forgot;
        let Some(session) = self.sessions.get_mut(session) else { return };
        let Ok(loaded) = self.servers[server].load(&session.id).await else { return };
        let found = loaded.as_ref().map(|loaded| number(&loaded.record));
        session.observe(found, forgot);
        if let Some(loaded) = loaded {
            session.seen = Some(loaded.record);
        }
    }

    async fn set(&mut self, server: usize, session: usize) {
        let forgot = self.forgot;
        let Some(session) = self.sessions.get_mut(session) else { return };
        let Some(seen) = &session.seen else { return };
        let value = session.next;
        session.next += 1;
        let mut change = Change::new(seen, Lifetime::default());
        change.edits.set("n", &value.to_string());
        change.exact = true;
        let base = number(seen);
        match self.servers[server].apply(&session.id, &change).await {
            Ok(Applied::Applied(_)) => {
                session.observe(Some(base), forgot);
                session.may = BTreeSet::from([Some(value)]);
            }
            Ok(Applied::Conflict(fresh)) => {
                let found = number(&fresh.record);
                assert_ne!(found, base, "a conflict shows another version");
                session.observe(Some(found), forgot);
                session.seen = Some(fresh.record);
            }
            Ok(Applied::Gone) => session.observe(None, forgot),
            Err(_) => drop(session.open.insert((Some(base), Some(value)))),
        }
    }

    async fn delete(&mut self, server: usize, session: usize) {
        let forgot = self.forgot;
        let Some(session) = self.sessions.get_mut(session) else { return };
        match self.servers[server].delete(&session.id).await {
            Ok(true) => {
                session.may = BTreeSet::from([None]);
                session.open.clear();
            }
            Ok(false) => session.observe(None, forgot),
            Err(_) => {
                let all = session.all().into_iter().flatten();
                let open: Vec<_> = all.map(|number| (Some(number), None)).collect();
                session.open.extend(open);
            }
        }
    }

    async fn rotate(&mut self, server: usize, place: usize) {
        let forgot = self.forgot;
        let full = self.sessions.len() == 6;
        let Some(session) = self.sessions.get_mut(place) else { return };
        let Some(seen) = session.seen.clone().filter(|_| !full) else { return };
        let new = Token::random().unwrap().id();
        let change = Change::new(&seen, Lifetime::default());
        let base = number(&seen);
        let answer = self.servers[server].rotate(&session.id, &new, &change).await;
        let next = session.next;
        let is = match answer {
            Ok(Rotated::Rotated(_)) => {
                session.observe(Some(base), forgot);
                session.may = BTreeSet::from([None]);
                session.open.clear();
                (Some(base), None)
            }
            Ok(Rotated::Conflict(fresh)) => {
                session.observe(Some(number(&fresh.record)), forgot);
                session.seen = Some(fresh.record);
                (None, None)
            }
            Ok(Rotated::Gone) => {
                session.observe(None, forgot);
                (None, None)
            }
            Ok(other) => panic!("{other:?} for a fresh id"),
            Err(_) => {
                session.open.insert((Some(base), None));
                (None, Some((None, Some(base))))
            }
        };
        self.sessions.push(Session::new(new, is, next));
    }

    /// With all members back, all is decided and whole, the same for both servers.
    async fn end(&mut self) {
        for member in &self.members {
            member.heal();
        }
        for session in 0..self.sessions.len() {
            for server in [0, 1, 0] {
                let id = self.sessions[session].id;
                let loaded = self.servers[server].load(&id).await.unwrap();
                let found = loaded.map(|loaded| number(&loaded.record));
                self.sessions[session].observe(found, self.forgot);
            }
        }
    }
}

impl Session {
    fn new(id: SessionId, (is, open): (Is, Option<(Is, Is)>), next: u64) -> Self {
        let (may, open) = (BTreeSet::from([is]), open.into_iter().collect());
        Self { id, may, open, seen: None, next }
    }

    /// All that it may be now.
    fn all(&self) -> BTreeSet<Is> {
        let mut all = self.may.clone();
        loop {
            let reached = self.open.iter().filter(|(from, _)| all.contains(from));
            let reached: Vec<Is> = reached.map(|(_, to)| *to).collect();
            let before = all.len();
            all.extend(reached);
            if all.len() == before {
                return all;
            }
        }
    }

    /// It was seen so: it had to be one of what it may be, and is that from now on.
    fn observe(&mut self, found: Is, forgot: bool) {
        let all = self.all();
        let may_live = all.iter().any(Option::is_some);
        if forgot && (may_live || found.is_none()) {
            // What was lost may be on its way to the members that lack it; only an end is an end.
            self.may.extend(may_live.then_some(None));
            self.may.insert(found);
            return;
        }
        assert!(all.contains(&found), "it is {found:?}, and may be {all:?}");
        self.may = BTreeSet::from([found]);
        if found.is_some() {
            // It has begun, and does so once.
            self.open.retain(|(from, _)| from.is_some());
        }
    }
}

fn number(record: &Record) -> u64 {
    record.fields.get("n").unwrap().parse().unwrap()
}

fn tell(count: usize, acts: &[Act]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut story = Story::new(count);
        for act in acts {
            story.run(act).await;
        }
        story.end().await;
    });
}

fn config() -> ProptestConfig {
    let cases = u32::try_from(rounds(300, 5_000)).unwrap();
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever fails when: what was acknowledged stays, and what was not is there or not, for all alike.
    #[test]
    fn three_members_that_come_and_go_lose_nothing(acts in vec(act(3, false), 1..60)) {
        tell(3, &acts);
    }

    #[test]
    fn five_members_that_come_and_go_lose_nothing(acts in vec(act(5, false), 1..60)) {
        tell(5, &acts);
    }

    /// However many members forget whatever they knew: what is over stays over.
    #[test]
    fn members_that_forget_bring_nobody_back(acts in vec(act(3, true), 1..60)) {
        tell(3, &acts);
    }
}
