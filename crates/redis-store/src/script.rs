//! The scripts: [`Script`]. Each touches one key, but for one that is not called in a cluster.

use std::sync::LazyLock;

use crate::servers::Command;

/// A script of the server, called by the digest of its text.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) text: String,
    /// What each call of it begins with.
    call: Command,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let text = parts.concat();
        let mut call = Command::new("EVALSHA");
        call.arg(redis::Script::new(&text).get_hash());
        Self { text, call }
    }

    /// The command that calls it on a key, to which arguments are added.
    pub(crate) fn on(&self, key: &[u8]) -> Command {
        self.on_all(&[key])
    }

    /// As [`on`](Self::on), on several keys.
    pub(crate) fn on_all(&self, keys: &[&[u8]]) -> Command {
        // Room for the arguments of most calls.
        let mut command = self.call.longer(400);
        command.number(keys.len()).args(keys);
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
    APPLY = "prelude" "apply";
    ARRIVE = "prelude" "free" "arrive";
    CANCEL = "prelude" "cancel";
    CREATE = "prelude" "free" "create";
    DELETE = "prelude" "delete";
    DEPART = "prelude" "depart";
    EDIT = "edit" "merge";
    EDIT_EXACT = "edit" "exact";
    EVICT = "prelude" "evict";
    FORGET = "prelude" "forget";
    IMPORT = "prelude" "free" "import";
    MOVE = "prelude" "move";
    RELEASE = "prelude" "release";
    RESERVE = "prelude" "reserve";
    SET = "set" "merge";
    SET_EXACT = "set" "exact";
    SETTLE = "prelude" "settle";
    TOUCH = "prelude" "touch";
}
