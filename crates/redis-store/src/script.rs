//! The scripts: [`Script`]. Each touches one key, but for one that is not called in a cluster.

use std::sync::LazyLock;

use redis::Cmd;

/// A script of the server, called by the digest of its text.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) text: String,
    digest: String,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let text = parts.concat();
        let digest = redis::Script::new(&text).get_hash().to_owned();
        Self { text, digest }
    }

    /// The command that calls it on a key, to which arguments are added.
    pub(crate) fn on(&self, key: &[u8]) -> Cmd {
        self.on_all(&[key])
    }

    /// As [`on`](Self::on), on several keys.
    pub(crate) fn on_all(&self, keys: &[&[u8]]) -> Cmd {
        // Room for the arguments of most calls.
        let mut command = Cmd::with_capacity(24, 512);
        command.arg("EVALSHA");
        command.arg(&*self.digest).arg(keys.len()).arg(keys);
        command
    }
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {$(
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(&[$(include_str!(concat!("scripts/", $file, ".lua"))),+]));
    )+};
}

scripts! {
    APPLY = "write" "prelude" "apply";
    ARRIVE = "prelude" "free" "arrive";
    CANCEL = "prelude" "cancel";
    CREATE = "prelude" "free" "create";
    DELETE = "prelude" "delete";
    DEPART = "prelude" "depart";
    EVICT = "prelude" "evict";
    FORGET = "prelude" "forget";
    IMPORT = "prelude" "free" "import";
    MOVE = "prelude" "move";
    RELEASE = "prelude" "release";
    RESERVE = "prelude" "reserve";
    SETTLE = "prelude" "settle";
    TOUCH = "prelude" "touch";
}
