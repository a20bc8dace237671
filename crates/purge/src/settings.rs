//! What the environment says of sessions: [`SessionSettings`].

use std::{
    ffi::OsString,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_keep_core::{Lifetime, SessionLayerBuilder};
#[cfg(feature = "file")]
use tower_keep_file_store::{FileStore, FileStoreBuilder};

use crate::{SettingError, environment};

/// Where sessions live if no variable says so.
const DIRECTORY: &str = "./sessions";

/// Browsers keep no cookie for longer (RFC 6265bis, 5.5).
const MAX_LIFETIME_SECONDS: u64 = 400 * 86_400;

/// What the environment says of sessions: where they live, and how long.
///
/// The names are those that Flask applications use, so that their deployments need no change.
///
/// | variable | value | unset |
/// |---|---|---|
/// | `SESSION_DIR` | the session directory | see the next |
/// | `AZURE_FILESHARE_MOUNT_POINT` | a directory whose folder `sessions` is the session directory | `./sessions` |
/// | `SESSION_PERMANENT` | true: the cookie outlives the browser; false: it ends with it | the layer's choice, which is false unless told |
/// | `PERMANENT_SESSION_LIFETIME` | how long a session may go unused, in seconds | the layer's choice, 30 minutes unless told |
/// | `SESSION_LIFETIME_HOURS` | the same in hours | the same |
/// | `SESSION_FILE_THRESHOLD` | the most files of the directory; 0 is no limit | no limit |
///
/// As in Flask, the lifetime begins anew with each use and holds whether the cookie is permanent or
/// not. Unlike there, a session also ends 24 hours after it began, however it is used; a longer
/// lifetime is that end too, so that `PERMANENT_SESSION_LIFETIME=2678400`, Flask's 31 days, is 31
/// days in all. [`SessionLayerBuilder::absolute_timeout`] afterwards says otherwise.
///
/// ```
/// use std::{path::Path, time::Duration};
/// use tower_keep_purge::SessionSettings;
///
/// let settings = SessionSettings::from_lookup(|name| match name {
///     "SESSION_DIR" => Some("/srv/shop/sessions".into()),
///     "SESSION_LIFETIME_HOURS" => Some("8".into()),
///     _ => None,
/// })?;
/// assert_eq!(settings.directory(), Path::new("/srv/shop/sessions"));
/// assert_eq!(settings.lifetime().unwrap().idle, Duration::from_secs(8 * 3_600));
/// # Ok::<(), tower_keep_purge::SettingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    directory: PathBuf,
    max_files: Option<NonZeroU64>,
    persistent: Option<bool>,
    lifetime: Option<Lifetime>,
}

impl SessionSettings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    ///
    /// For a variable that is set and cannot mean anything; the error names it.
    pub fn from_env() -> Result<Self, SettingError> {
        Self::from_lookup(environment::process)
    }

    /// Reads variables from elsewhere, such as a test.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingError> {
        let directory = environment::path(&lookup, "SESSION_DIR")
            .or_else(|| {
                Some(environment::path(&lookup, "AZURE_FILESHARE_MOUNT_POINT")?.join("sessions"))
            })
            .unwrap_or_else(|| DIRECTORY.into());
        let max_files = environment::number(
            &lookup,
            "SESSION_FILE_THRESHOLD",
            0..=u64::MAX,
            "set it to the most files that the session directory may hold, or to 0 for no limit",
        )?;
        Ok(Self {
            directory,
            max_files: max_files.and_then(NonZeroU64::new),
            persistent: environment::boolean(&lookup, "SESSION_PERMANENT")?,
            lifetime: lifetime(&lookup)?,
        })
    }

    /// The session directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The most files that the session directory may hold; `None` if there is no limit.
    #[must_use]
    pub fn max_files(&self) -> Option<NonZeroU64> {
        self.max_files
    }

    /// Whether cookies outlive the browser; `None` if the environment does not say.
    #[must_use]
    pub fn persistent(&self) -> Option<bool> {
        self.persistent
    }

    /// How long sessions live; `None` if the environment does not say.
    #[must_use]
    pub fn lifetime(&self) -> Option<Lifetime> {
        self.lifetime
    }

    /// A file store in the session directory, with the limit of files that the environment says; what
    /// else can be set of it is left to the caller.
    ///
    /// ```
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_keep_purge::SessionSettings;
    ///
    /// let store = SessionSettings::from_env()?.file_store().open().await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "file")]
    pub fn file_store(&self) -> FileStoreBuilder {
        let store = FileStore::builder(&self.directory);
        match self.max_files {
            Some(files) => store.max_files(files.get()),
            None => store,
        }
    }

    /// Gives a layer the lifetime and the kind of cookie that the environment says, and leaves it as
    /// it is where the environment does not.
    ///
    /// A builder that was told [`persistent`](SessionLayerBuilder::persistent) stays so:
    /// `SESSION_PERMANENT=false` asks for no more than its default.
    ///
    /// ```
    /// # use tower_keep_core::{ConfigError, SessionLayer};
    /// # use tower_keep_memory_store::MemoryStore;
    /// use tower_keep_purge::SessionSettings;
    ///
    /// # fn build() -> Result<SessionLayer, Box<dyn std::error::Error>> {
    /// let settings = SessionSettings::from_env()?;
    /// let layer = settings.configure(SessionLayer::builder(MemoryStore::new())).build()?;
    /// # Ok(layer) }
    /// # build().unwrap();
    /// ```
    pub fn configure(&self, mut builder: SessionLayerBuilder) -> SessionLayerBuilder {
        if let Some(lifetime) = self.lifetime {
            builder = builder.lifetime(lifetime);
        }
        if self.persistent == Some(true) {
            builder = builder.persistent();
        }
        builder
    }
}

/// Two variables say the same in two units; where they disagree, neither can be right.
fn lifetime(lookup: environment::Lookup<'_>) -> Result<Option<Lifetime>, SettingError> {
    let hours = environment::number(
        lookup,
        "SESSION_LIFETIME_HOURS",
        1..=MAX_LIFETIME_SECONDS / 3_600,
        "set it to a whole number of hours from 1 to 9600, the 400 days that browsers keep a cookie",
    )?;
    let seconds = environment::number(
        lookup,
        "PERMANENT_SESSION_LIFETIME",
        1..=MAX_LIFETIME_SECONDS,
        "set it to a whole number of seconds from 1 to 34560000, the 400 days that browsers keep a \
         cookie",
    )?;
    let seconds = match (hours.map(|hours| hours * 3_600), seconds) {
        (Some(one), Some(other)) if one != other => {
            return Err(SettingError::new(
                "SESSION_LIFETIME_HOURS",
                "PERMANENT_SESSION_LIFETIME says another lifetime in seconds: set one of them only",
            ));
        }
        (one, other) => one.or(other),
    };
    Ok(seconds.map(|seconds| {
        let idle = Duration::from_secs(seconds);
        Lifetime::new(idle, Lifetime::default().absolute.max(idle))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<SessionSettings, SettingError> {
        SessionSettings::from_lookup(|name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_directory_is_found_in_order() {
        let azure = ("AZURE_FILESHARE_MOUNT_POINT", "/mnt/share");
        let directory = |variables: &[_]| read(variables).unwrap().directory().to_owned();
        assert_eq!(directory(&[]), Path::new("./sessions"));
        assert_eq!(directory(&[azure]), Path::new("/mnt/share/sessions"));
        assert_eq!(directory(&[azure, ("SESSION_DIR", "a b")]), Path::new("a b"));
        // As `SESSION_DIR=` in a `.env` means.
        assert_eq!(directory(&[azure, ("SESSION_DIR", "")]), Path::new("/mnt/share/sessions"));
    }

    #[test]
    fn nothing_set_leaves_everything_to_the_layer() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.lifetime(), None);
        assert_eq!(settings.persistent(), None);
        assert_eq!(settings.max_files(), None);
    }

    #[test]
    fn a_lifetime_is_idle_time_and_in_all_at_least_a_day() {
        let lifetime = |name, value| read(&[(name, value)]).unwrap().lifetime().unwrap();
        let day = Duration::from_secs(86_400);
        let short = lifetime("PERMANENT_SESSION_LIFETIME", "60");
        assert_eq!(short, Lifetime::new(Duration::from_secs(60), day));
        let long = lifetime("SESSION_LIFETIME_HOURS", "744");
        assert_eq!(long, Lifetime::new(31 * day, 31 * day));
    }

    #[test]
    fn two_lifetimes_must_be_one() {
        let both = |hours, seconds| {
            read(&[("SESSION_LIFETIME_HOURS", hours), ("PERMANENT_SESSION_LIFETIME", seconds)])
        };
        assert!(both("2", "7200").is_ok());
        let message = both("2", "7201").unwrap_err().to_string();
        assert!(message.contains("SESSION_LIFETIME_HOURS"), "{message}");
        assert!(message.contains("PERMANENT_SESSION_LIFETIME"), "{message}");
    }

    #[test]
    fn a_threshold_of_zero_is_none() {
        let files = |value| read(&[("SESSION_FILE_THRESHOLD", value)]).unwrap().max_files();
        assert_eq!(files("0"), None);
        assert_eq!(files("500"), NonZeroU64::new(500));
    }

    #[test]
    fn each_variable_is_checked_and_named() {
        for (name, value) in [
            ("SESSION_PERMANENT", "maybe"),
            ("SESSION_PERMANENT", ""),
            ("SESSION_LIFETIME_HOURS", "0"),
            ("SESSION_LIFETIME_HOURS", "9601"),
            ("SESSION_LIFETIME_HOURS", "24h"),
            ("SESSION_FILE_THRESHOLD", "-1"),
            ("PERMANENT_SESSION_LIFETIME", "31 days, 0:00:00"),
            ("PERMANENT_SESSION_LIFETIME", "34560001"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.variable(), name);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
