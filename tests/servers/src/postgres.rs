//! A private PostgreSQL: [`Postgres`].

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::{
    Certificate, Durability, PASSWORD,
    process::{Process, free_port, is_root, run, succeeds},
};

/// A PostgreSQL server of one test.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    durability: Durability,
    tls: bool,
}

impl Postgres {
    /// Starts a server.
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        Self::start_as(durability, None)
    }

    /// Starts a server that offers TLS.
    #[must_use]
    pub fn start_with_tls(durability: Durability, certificate: &Certificate) -> Self {
        Self::start_as(durability, Some(certificate))
    }

    fn start_as(durability: Durability, certificate: Option<&Certificate>) -> Self {
        let process = Process::prepare("postgres");
        let data = process.directory().join("data");
        let password = process.directory().join("password");
        fs::write(&password, PASSWORD).unwrap();
        fs::create_dir(&data).unwrap();
        if let Some(certificate) = certificate {
            certificate.copy_to(process.directory());
        }
        fs::set_permissions(process.directory(), fs::Permissions::from_mode(0o755)).unwrap();
        if is_root() {
            run(Command::new("chown").arg("-R").arg("postgres:").arg(process.directory()));
        }
        run(program("initdb")
            .args(["--no-sync", "--username=keep", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(&data));
        let tls = certificate.is_some();
        let server = Self { process, port: free_port(), durability, tls };
        server.restart();
        server
    }

    /// The server that the tests of one process share. What it answers is not on disk.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(Durability::Lazy));
        &SHARED
    }

    /// The URL of its database, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// As [`url`](Self::url), by way of a proxy that listens there.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://keep:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as a loss of power does.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts the server again.
    pub fn restart(&self) {
        let directory = self.process.directory();
        let sync = if self.durability == Durability::Synced { "on" } else { "off" };
        let command = || {
            let mut command = program("postgres");
            command.arg("-D").arg(directory.join("data")).arg("-p").arg(self.port.to_string());
            command.arg("-k").arg(directory);
            for setting in [
                "listen_addresses=127.0.0.1",
                "max_connections=300",
                "shared_preload_libraries=pg_stat_statements",
                "shared_buffers=256MB",
                &format!("fsync={sync}"),
                &format!("synchronous_commit={sync}"),
            ] {
                command.arg("-c").arg(setting);
            }
            if self.tls {
                for (name, file) in
                    [("ssl_cert_file", "certificate.pem"), ("ssl_key_file", "key.pem")]
                {
                    let file = directory.join(file);
                    command.arg("-c").arg(format!("{name}={}", file.display()));
                }
                command.args(["-c", "ssl=on"]);
            }
            command
        };
        self.process.start(command, || {
            succeeds(program("pg_isready").args(["-h", "127.0.0.1", "-p", &self.port.to_string()]))
        });
    }
}

/// A program of the server, run by the user that the server may run as.
fn program(name: &str) -> Command {
    let path = directory().join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(path);
    command
}

/// Where the programs of the newest installed version are.
fn directory() -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest =
            versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
        match newest {
            Some(version) => format!("/usr/lib/postgresql/{version}/bin").into(),
            None => run(Command::new("pg_config").arg("--bindir")).trim().into(),
        }
    });
    &DIRECTORY
}
