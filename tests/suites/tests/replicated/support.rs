//! Three members in memory, each of which can be away.

use std::{sync::Arc, time::Duration};

use tower_keep::{
    MemoryStore, ReplicatedStore, Store, StoreErrorKind, TestClock,
    conformance::{Capability, Harness},
    replicated::ReplicatedStoreBuilder,
};
use tower_keep_tests::{Call, Fault, Faulty};

pub(crate) type Member = Faulty<MemoryStore>;

/// How long one call of a member may take.
const TIMEOUT: Duration = Duration::from_millis(500);

/// How the members do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    /// All are well and answer at once.
    Well,
    /// All are well and answer late, so that calls of several operations meet.
    Late,
    /// One fails each call.
    OneFails,
    /// One never answers.
    OneIsSilent,
}

/// Stores over three members in memory, on a clock that is moved by hand.
pub(crate) struct Three {
    clock: Arc<TestClock>,
    health: Health,
}

impl Three {
    pub(crate) fn new(health: Health) -> Self {
        Self { clock: Arc::default(), health }
    }

    pub(crate) fn store(&self) -> ReplicatedStore {
        let members = members(&self.clock, 3);
        match self.health {
            Health::Well => {}
            Health::Late => {
                for member in &members {
                    member.everywhere(&Fault::Yields(2));
                }
            }
            Health::OneFails => {
                members[1].everywhere(&Fault::Fails(StoreErrorKind::Unavailable));
            }
            Health::OneIsSilent => members[0].everywhere(&Fault::Silent),
        }
        // A machine that is busy with other tests must not look like a member that is silent. Where one
        // is, nobody waits for it.
        builder(&members, &self.clock).timeout(Duration::from_secs(10)).build().unwrap()
    }
}

impl Harness for Three {
    type Store = ReplicatedStore;

    async fn open(&self) -> ReplicatedStore {
        self.store()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::Index, Capability::Purge, Capability::Import]
    }
}

pub(crate) fn members(clock: &Arc<TestClock>, count: usize) -> Vec<Member> {
    let member = |_| Faulty::new(MemoryStore::builder().clock(Arc::clone(clock)).build());
    (0..count).map(member).collect()
}

/// A store over these members, as one of several servers has it.
pub(crate) fn over(members: &[Member], clock: &Arc<TestClock>) -> ReplicatedStore {
    builder(members, clock).timeout(TIMEOUT).build().unwrap()
}

fn builder(members: &[Member], clock: &Arc<TestClock>) -> ReplicatedStoreBuilder {
    let members = members.iter().map(|member| Arc::new(member.clone()) as Arc<dyn Store>);
    ReplicatedStore::builder(members).clock(Arc::clone(clock))
}

/// Lets a member be away: it fails at once.
pub(crate) fn send_away(member: &Member) {
    for call in Call::ALL {
        member.always(call, Fault::Fails(StoreErrorKind::Unavailable));
    }
}
