//! A private MariaDB: [`MariaDb`].

use std::{fs, os::unix::fs::PermissionsExt, process::Command, sync::LazyLock};

use crate::{
    Certificate, Durability, PASSWORD,
    process::{Process, free_port, is_root, run, succeeds},
};

/// A MariaDB server of one test.
#[derive(Debug)]
pub struct MariaDb {
    process: Process,
    port: u16,
    durability: Durability,
    tls: bool,
}

impl MariaDb {
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
        let process = Process::prepare("mariadb");
        let directory = process.directory();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        let statements = format!(
            "CREATE DATABASE IF NOT EXISTS keep;\n\
             CREATE USER IF NOT EXISTS keep@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO keep@'127.0.0.1' WITH GRANT OPTION;\n"
        );
        fs::write(directory.join("init.sql"), statements).unwrap();
        // Servers that share a directory for temporary files remove those of each other.
        fs::create_dir(directory.join("temporary")).unwrap();
        if let Some(certificate) = certificate {
            certificate.copy_to(directory);
        }
        if is_root() {
            run(Command::new("chown").arg("-R").arg("mysql:").arg(directory));
        }
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal");
        install.arg(format!("--datadir={}", directory.join("data").display()));
        install.arg(format!("--tmpdir={}", directory.join("temporary").display()));
        if is_root() {
            install.arg("--user=mysql");
        }
        run(&mut install);
        let tls = certificate.is_some();
        let server = Self { process, port: free_port(), durability, tls };
        server.restart();
        server
    }

    /// The server that the tests of one process share. What it answers is not on disk.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<MariaDb> = LazyLock::new(|| MariaDb::start(Durability::Lazy));
        &SHARED
    }

    /// The URL of a database, with the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// As [`url`](Self::url), by way of a proxy that listens there.
    #[must_use]
    pub fn url_at(&self, port: u16, database: &str) -> String {
        format!("mysql://keep:{PASSWORD}@127.0.0.1:{port}/{database}")
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

    /// Stops the server where it stands: it accepts and does not answer.
    pub fn freeze(&self) {
        self.process.signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.process.signal("-CONT");
    }

    /// Starts the server again.
    pub fn restart(&self) {
        let directory = self.process.directory();
        let flush = if self.durability == Durability::Synced { 1 } else { 2 };
        let command = || {
            let mut command = Command::new("mariadbd");
            command.arg("--no-defaults");
            for (name, value) in [
                ("datadir", directory.join("data").display().to_string()),
                ("tmpdir", directory.join("temporary").display().to_string()),
                ("socket", directory.join("socket").display().to_string()),
                ("pid-file", directory.join("server.pid").display().to_string()),
                ("init-file", directory.join("init.sql").display().to_string()),
                ("port", self.port.to_string()),
                ("bind-address", "127.0.0.1".to_owned()),
                ("max-connections", "300".to_owned()),
                ("innodb-buffer-pool-size", "256M".to_owned()),
                ("innodb-flush-log-at-trx-commit", flush.to_string()),
            ] {
                command.arg(format!("--{name}={value}"));
            }
            command.arg("--skip-name-resolve");
            if self.tls {
                for (name, file) in [("ssl-cert", "certificate.pem"), ("ssl-key", "key.pem")] {
                    command.arg(format!("--{name}={}", directory.join(file).display()));
                }
            }
            if is_root() {
                command.arg("--user=mysql");
            }
            command
        };
        self.process.start(command, || {
            let mut ping = Command::new("mariadb-admin");
            ping.args(["--no-defaults", "--host=127.0.0.1", "--user=keep"]);
            ping.arg(format!("--password={PASSWORD}")).arg(format!("--port={}", self.port));
            succeeds(ping.arg("ping"))
        });
    }
}
