//! The users of the shop, with their roles and the hashes of their passwords. Yours are in a database.

use std::{collections::HashMap, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{Error, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use serde::{Deserialize, Serialize};

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    Customer,
}

#[derive(Clone)]
pub struct Users(Arc<Inner>);

struct Inner {
    known: HashMap<&'static str, (Role, PasswordHash)>,
    /// Checked for users who do not exist, so that the time of an answer does not tell who does.
    nobody: PasswordHash,
}

impl Users {
    pub fn demo() -> Result<Self, Error> {
        let hash = |password: &str| Argon2::default().hash_password(password.as_bytes());
        Ok(Self(Arc::new(Inner {
            known: HashMap::from([
                ("ada", (Role::Customer, hash("analytical")?)),
                ("grace", (Role::Admin, hash("compiler")?)),
            ]),
            nobody: hash("nobody has this password")?,
        })))
    }

    /// The user's role, if the password is theirs. Limit how often somebody may try in your own
    /// application.
    pub async fn check(&self, user: String, password: String) -> Option<Role> {
        let users = Arc::clone(&self.0);
        // A slow hash would keep other requests of this thread waiting.
        let check = tokio::task::spawn_blocking(move || {
            let known = users.known.get(user.as_str());
            let hash = known.map_or(&users.nobody, |(_, hash)| hash);
            let matches = Argon2::default().verify_password(password.as_bytes(), hash).is_ok();
            known.filter(|_| matches).map(|(role, _)| *role)
        });
        check.await.ok().flatten()
    }
}
