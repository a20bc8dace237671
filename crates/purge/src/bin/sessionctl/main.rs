//! `sessionctl`, the command that looks after the sessions in a store.

mod arguments;
mod command;
mod consent;
mod exit;
mod output;
mod progress;
mod session;
mod store;
mod text;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};

use arguments::{Arguments, Command, Common};
use exit::{Exit, Failure};
use output::Output;
use store::Opened;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let mut output = Output::new(arguments.common.json);
    let done = run(arguments, &mut output).unwrap_or_else(|failure| tell(&failure, &mut output));
    match output.end() {
        Ok(()) => done.into(),
        Err(error) => {
            // Nothing more can be printed there.
            let _ =
                writeln!(std::io::stderr(), "sessionctl: the output cannot be written: {error}");
            Exit::Failed.into()
        }
    }
}

fn run(arguments: Arguments, output: &mut Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Arguments { common, command } = arguments;
    runtime.block_on(async {
        match command {
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(
                    shell,
                    &mut Arguments::command(),
                    "sessionctl",
                    &mut script,
                );
                let script = String::from_utf8_lossy(&script);
                output.say(script.trim_end());
                output.object(&serde_json::json!({ "completions": script }));
                Ok(Exit::Done)
            }
            Command::Stats { of } => command::stats(&open(&common).await?, &of, output).await,
            Command::List(list) => command::list(&open(&common).await?, &list, output).await,
            Command::Show { id, data, ids } => {
                command::show(&open(&common).await?, &id, data, &ids, output).await
            }
            Command::Revoke(revoke) => {
                command::revoke(&open(&common).await?, &revoke, output).await
            }
            Command::Sweep { batch, dry_run } => {
                command::sweep(&open(&common).await?, batch, &dry_run, output).await
            }
            Command::Purge { consent } => {
                command::purge(&open(&common).await?, &consent, output).await
            }
            Command::Copy(copy) => {
                if common.store.as_deref().is_some_and(|store| store::is_one(store, &copy.to)) {
                    return Err(Failure::new(Exit::Usage, "the two stores of a copy are one"));
                }
                let from = open(&common).await?;
                let to = Opened::open_target(&copy.to, common.timeout(), &copy.dry_run).await?;
                command::copy(&from, &to, &copy, common.timeout(), output).await
            }
            Command::Check => command::check(&open(&common).await?, output).await,
            Command::Migrate { print: true } => command::print_migrations(url(&common)?, output),
            Command::Migrate { print: false } => {
                command::migrate(url(&common)?, common.timeout(), output).await
            }
        }
    })
}

async fn open(common: &Common) -> Result<Opened, Failure> {
    Opened::open_existing(url(common)?, common.timeout()).await
}

fn url(common: &Common) -> Result<&str, Failure> {
    common.store.as_deref().ok_or_else(|| {
        Failure::new(Exit::Usage, "which store? pass --store URL or set SESSION_STORE")
    })
}

/// Tells why a run failed, on the standard error, or within the JSON object.
fn tell(failure: &Failure, output: &mut Output) -> Exit {
    output.object(&failure.to_json());
    if !output.is_json {
        output.flush();
        let mut text = format!("sessionctl: {}\n", text::printable_json(&failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("  because: {}\n", text::printable_json(cause)));
        }
        let done =
            failure.done.iter().map(|(name, done)| format!("{} {done}", name.replace('_', " ")));
        let done: Vec<String> = done.collect();
        if !done.is_empty() {
            text.push_str(&format!("  so far: {}\n", done.join(", ")));
        }
        // A closed error stream leaves the exit code.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    failure.exit
}

/// Tells what is wrong with the command line, or what was asked of it, without the URLs in it.
fn explain(error: &clap::Error) -> ExitCode {
    let arguments = std::env::args_os().skip(1).map(OsString::into_string);
    let arguments: Vec<String> = arguments.filter_map(Result::ok).collect();
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_answer {
        return match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failed.into(),
            _ => Exit::Done.into(),
        };
    }
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let message = text::without_urls(&error.render().to_string(), arguments);
    let mut output = Output::new(is_json);
    output.object(&Failure::new(Exit::Usage, message.trim_end()).to_json());
    if !is_json {
        let lines: Vec<String> = message.lines().map(text::printable_json).collect();
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
    }
    let _ = output.end();
    Exit::Usage.into()
}
