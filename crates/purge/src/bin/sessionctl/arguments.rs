//! The command line: [`Arguments`].

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

const AFTER_HELP: &str = "\
Examples:
  sessionctl --store file:/srv/shop/sessions stats
  sessionctl list --layer __Host-id --user ada
  sessionctl show 3f8a91c2 --data
  sessionctl revoke --layer __Host-id --user ada
  sessionctl sweep
  sessionctl copy --to sqlite:/srv/shop/sessions.db --journal copy.journal
  sessionctl --store postgres://shop@db/shop migrate
  sessionctl completions bash > /etc/bash_completion.d/sessionctl

Every command but `completions` needs to know the store. Set SESSION_STORE
to leave --store out, and to keep a password in a URL out of the list of
processes. A layer is named as its cookie is unless told otherwise; `list`
shows the names, and SESSION_LAYER stands for --layer. Run it as the user of
the application, so that files which it makes can be read by both.

Exit codes:
  0    done
  1    the store failed, or cannot do it; what was done before is said
  2    the command line is wrong
  3    there is no such session, or several ids begin as the given one
  4    not confirmed: answered with no, or nobody could be asked and --yes was not given
  5    check found something, or a copy is not complete
  130  interrupted";

/// Looks after the sessions in a store: counts, lists, shows, revokes, sweeps, purges, copies, checks.
///
/// Ids are shown by their first eight digits, and taken by as many digits as tell them apart, four at
/// least. An id opens nothing: it is the digest of the token that the client holds.
#[derive(Debug, Parser)]
#[command(name = "sessionctl", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The store, as `file:DIRECTORY`, `sqlite:FILE`, `postgres://…`, `mysql://…`, `redis://…` or
    /// `memory:`.
    #[arg(long, global = true, value_name = "URL", env = "SESSION_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// Print one JSON object, errors included, with whole ids.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long one call of the store may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30")]
    timeout: NonZeroU32,
}

impl Common {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.get().into())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count the live sessions and their users.
    Stats {
        #[command(flatten)]
        of: Layer,
    },
    /// List the live sessions.
    List(List),
    /// Show one session.
    Show {
        /// The id of the session, or how it begins.
        id: String,
        /// Show the data of the session too.
        #[arg(long)]
        data: bool,
        #[command(flatten)]
        ids: Ids,
    },
    /// End sessions: their tokens open nothing any more.
    Revoke(Revoke),
    /// Remove the sessions that have expired.
    Sweep {
        /// The most sessions of one step.
        #[arg(long, value_name = "SESSIONS", default_value = "1000")]
        batch: NonZeroU32,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove all sessions of all layers, expired ones too, and nothing else.
    Purge {
        #[command(flatten)]
        consent: Consent,
    },
    /// Take every live session to another store, so that nobody is logged out
    ///
    /// The source is only read; each session goes over whole, under its id, with its times. Then
    /// everything is read again and compared, until nothing is left to do. Interrupted, even killed, run it
    /// again: it goes on.
    ///
    /// While the source is in use, what begins, changes and ends there is followed. What was used at the
    /// target since is never overwritten, and what ended there is not brought back; with --journal later
    /// runs know of it too. Let the application use one of the stores at a time:
    ///
    ///   1. copy while the application runs on the old store;
    ///   2. stop it, copy again with the same journal, which is short and exits with 0;
    ///   3. start it on the new store.
    #[command(verbatim_doc_comment)]
    Copy(Copy),
    /// Look for damaged and orphaned entries, and change nothing.
    Check,
    /// Make the table of the database that the sessions are kept in, or bring it up to date
    ///
    /// Applications may go on meanwhile, and several runs at once wait for each other. Stores in files
    /// and in memory need nothing.
    Migrate {
        /// Print the statements instead, to be run by other means; the database is not asked.
        #[arg(long)]
        print: bool,
    },
    /// Print what makes a shell complete this command.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Which layer's sessions.
#[derive(Debug, Args)]
pub(crate) struct Layer {
    /// The layer whose sessions are meant, by its name: that of its cookie unless told otherwise.
    #[arg(long, value_name = "NAME", env = "SESSION_LAYER")]
    pub(crate) layer: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Ids {
    /// Show whole ids.
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DryRun {
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) of: Layer,
    /// Only the sessions of this user. Needs --layer, since users of two layers are strangers.
    #[arg(long, value_name = "USER", requires = "layer")]
    pub(crate) user: Option<String>,
    /// The most sessions to list.
    #[arg(long, value_name = "SESSIONS")]
    pub(crate) limit: Option<NonZeroU32>,
    /// Show the data of the sessions too.
    #[arg(long)]
    pub(crate) data: bool,
    #[command(flatten)]
    pub(crate) ids: Ids,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) whose: Whose,
    #[command(flatten)]
    pub(crate) of: Layer,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// The id of the session, or how it begins.
    pub(crate) id: Option<String>,
    /// All sessions of this user. Needs --layer, since users of two layers are strangers.
    #[arg(long, value_name = "USER", requires = "layer")]
    pub(crate) user: Option<String>,
    /// All sessions, of one layer if --layer names it.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The store to copy to.
    #[arg(long, value_name = "URL", env = "SESSION_STORE_TO", hide_env_values = true)]
    pub(crate) to: String,
    /// Keep what is known of the target in this file, for later runs of the same copy.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// How often to go through the source at most, at least twice.
    #[arg(long, value_name = "TIMES", default_value = "5")]
    pub(crate) passes: NonZeroU32,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
