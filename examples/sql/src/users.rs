//! The users of the example, with the hashes of their passwords. Yours are in a database.

use std::{collections::HashMap, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{Error, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

#[derive(Clone)]
pub struct Users(Arc<Inner>);

struct Inner {
    hashes: HashMap<&'static str, PasswordHash>,
    /// Checked for users who do not exist, so that the time of an answer does not tell who does.
    nobody: PasswordHash,
}

impl Users {
    pub fn demo() -> Result<Self, Error> {
        let hash = |password: &str| Argon2::default().hash_password(password.as_bytes());
        Ok(Self(Arc::new(Inner {
            hashes: HashMap::from([("ada", hash("analytical")?), ("grace", hash("compiler")?)]),
            nobody: hash("nobody has this password")?,
        })))
    }

    /// Whether the password is the user's. Limit how often somebody may try in your own application.
    pub async fn check(&self, user: String, password: String) -> bool {
        let users = Arc::clone(&self.0);
        // A slow hash would keep other requests of this thread waiting.
        let check = tokio::task::spawn_blocking(move || {
            let known = users.hashes.get(user.as_str());
            let hash = known.unwrap_or(&users.nobody);
            let matches = Argon2::default().verify_password(password.as_bytes(), hash);
            matches.is_ok() && known.is_some()
        });
        check.await.unwrap_or(false)
    }
}
