//! What somebody gains who plants, keeps or replays a token.

use tower_keep::Session;
use tower_keep_tests::{Jar, Visit, visit::text};

use crate::{keep, keep_with, minutes};

async fn user(layer: &tower_keep::SessionLayer, jar: &Jar) -> String {
    let visit = Visit::to(layer).with(jar);
    let response = visit.run(async |session: Session| {
        session.user().map_or("-".to_owned(), |user| user.as_str().to_owned())
    });
    text(response.await).await
}

#[tokio::test]
async fn planted_cookie_opens_nothing_after_the_login() {
    let (store, layer) = keep();
    // The attacker's own session, live and with data, or a token that never was.
    let mut live = Jar::new();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("cart", 1));
    live.take(&visit.await);
    for planted in [live, Jar::holding(&"A".repeat(32))] {
        let mut victim = planted.clone();
        let visit = Visit::to(&layer).with(&victim);
        victim.take(&visit.run(async |session: Session| session.set_user("ada")).await);
        assert_ne!(victim, planted);
        assert_eq!(user(&layer, &victim).await, "ada");
        assert_eq!(user(&layer, &planted).await, "-");
    }
    let tokens = store.inner().live();
    assert_eq!(tokens.len(), 2, "one for each login");
}

#[tokio::test]
async fn kept_cookie_is_dead_after_a_logout() {
    let (_, layer) = keep();
    let kept = Jar::signed_in(&layer, "ada").await;
    let mut jar = kept.clone();
    jar.take(&Visit::to(&layer).with(&kept).run(async |s: Session| s.destroy()).await);
    assert_eq!(jar.text(), None);
    assert_eq!(user(&layer, &kept).await, "-");
    // Writing with it begins another session.
    let visit = Visit::to(&layer).with(&kept);
    jar.take(&visit.run(async |session: Session| session.insert("a", 1)).await);
    assert_ne!(jar, kept);
    assert_eq!(user(&layer, &kept).await, "-");
}

#[tokio::test]
async fn cookie_before_a_rotation_is_dead_at_once() {
    let (store, layer) = keep();
    let kept = Jar::signed_in(&layer, "ada").await;
    let mut jar = kept.clone();
    jar.take(&Visit::to(&layer).with(&kept).run(async |s: Session| s.rotate()).await);
    assert_eq!(user(&layer, &kept).await, "-");
    assert_eq!(user(&layer, &jar).await, "ada");
    store.inner().only();
}

#[tokio::test]
async fn cookie_is_dead_after_the_idle_timeout_however_long_the_browser_keeps_it() {
    let (store, layer) = keep_with(|layer| layer.persistent());
    let jar = Jar::signed_in(&layer, "ada").await;
    store.inner().clock().advance(minutes(29));
    assert_eq!(user(&layer, &jar).await, "ada");
    store.inner().clock().advance(minutes(29));
    assert_eq!(user(&layer, &jar).await, "ada", "the read renewed it");
    store.inner().clock().advance(minutes(30));
    assert_eq!(user(&layer, &jar).await, "-");
    let visit = Visit::to(&layer).with(&jar);
    visit.run(async |session: Session| session.insert("a", 1)).await;
    assert_eq!(user(&layer, &jar).await, "-", "it does not come back");
}

#[tokio::test]
async fn nothing_extends_the_absolute_lifetime_but_a_new_login() {
    let acts: [(tower_keep_tests::Act, bool); 4] = [
        (|session| drop(session.keys()), false),
        (|session| session.insert("a", 1).unwrap(), false),
        (Session::rotate, false),
        (|session| session.set_user("ada").unwrap(), true),
    ];
    for (act, extends) in acts {
        let (store, layer) = keep();
        let mut jar = Jar::signed_in(&layer, "ada").await;
        // 24 hours and more, in steps below the idle timeout.
        for _ in 0..(24 * 60 / 20) {
            assert_eq!(user(&layer, &jar).await, "ada");
            let visit = Visit::to(&layer).with(&jar);
            jar.take(&visit.run(async move |session: Session| act(&session)).await);
            store.inner().clock().advance(minutes(20));
        }
        let expected = if extends { "ada" } else { "-" };
        assert_eq!(user(&layer, &jar).await, expected);
    }
}

#[tokio::test]
async fn lifetime_that_the_layer_shortens_holds_for_sessions_that_are_there() {
    let (store, long) = keep();
    let jar = Jar::signed_in(&long, "ada").await;
    store.inner().clock().advance(minutes(10));
    let short = tower_keep::SessionLayer::builder(store.clone());
    let short = short.idle_timeout(minutes(5)).build().unwrap();
    assert_eq!(user(&short, &jar).await, "-");
    assert_eq!(user(&long, &jar).await, "ada");
}

#[tokio::test]
async fn store_never_sees_a_token() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let (id, record) = store.inner().only();
    let encoded = String::from_utf8(record.encode(&id).unwrap()).unwrap();
    assert!(!encoded.contains(jar.text().unwrap()));
    // Who reads the store and sends what stands there opens nothing.
    assert_eq!(user(&layer, &Jar::holding(&id.to_string()[..32])).await, "-");
    assert_eq!(user(&layer, &Jar::holding(&id.to_string()[32..])).await, "-");
}
