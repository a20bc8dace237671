//! A certificate of this machine: [`Certificate`].

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::process::run;

/// A certificate for 127.0.0.1 that nobody has signed, and its key.
#[derive(Debug)]
pub struct Certificate {
    directory: TempDir,
    path: PathBuf,
}

impl Certificate {
    /// Makes one.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("certificate.pem");
        run(Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=tower-keep tests"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(directory.path().join("key.pem"))
            .arg("-out")
            .arg(&path));
        Self { directory, path }
    }

    /// Its text.
    #[must_use]
    pub fn pem(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it and its key into a server's directory, and gives the two files.
    pub(crate) fn copy_to(&self, server: &Path) -> (PathBuf, PathBuf) {
        let copy = |name| {
            let to = server.join(name);
            fs::copy(self.directory.path().join(name), &to).unwrap();
            to
        };
        (copy("certificate.pem"), copy("key.pem"))
    }
}
