//! Which of what a client sends is a session, and which is nothing.

use std::time::Instant;

use tower_keep::{Session, SessionCookie, SessionLayer};
use tower_keep_tests::{Call, Jar, Visit, visit::text};

use crate::{Keep, keep};

/// Whose session a request with these cookie lines has: the user's, or `-`.
async fn whose(layer: &SessionLayer, lines: &[Vec<u8>]) -> String {
    let mut visit = Visit::to(layer);
    for line in lines {
        visit = visit.header("cookie", line);
    }
    let response = visit.run(async |session: Session| {
        session.user().map_or("-".to_owned(), |user| user.as_str().to_owned())
    });
    text(response.await).await
}

async fn two_users() -> (Keep, String, String) {
    let (store, layer) = keep();
    let ada = Jar::signed_in(&layer, "ada").await;
    let eve = Jar::signed_in(&layer, "eve").await;
    let _ = store.take_calls();
    let texts = [ada, eve].map(|jar| jar.text().unwrap().to_owned());
    let [ada, eve] = texts;
    ((store, layer), ada, eve)
}

#[tokio::test]
async fn unknown_token_is_never_adopted() {
    let (store, layer) = keep();
    let planted = Jar::holding(&"A".repeat(32));
    let mut jar = planted.clone();
    let visit = Visit::to(&layer).with(&jar);
    let visit = visit.run(async |session: Session| {
        assert!(session.is_new() && session.id().is_none());
        session.insert("a", 1)
    });
    jar.take(&visit.await);
    assert_ne!(jar, planted);
    assert_eq!(store.inner().only().0, jar.id().unwrap());
    assert_eq!(layer.sessions().counters().unknown_tokens, 1);
}

#[tokio::test]
async fn malformed_token_makes_no_call_of_the_store() {
    let (store, layer) = keep();
    let good = "abcdefghijklmnopqrstuvwxyzABC-_9";
    for value in [
        "",
        "x",
        &good[1..],
        &format!("{good}A"),
        &format!("\"{good}\""),
        &good.replace('a', "%"),
        &good.replace('a', "é"),
        &format!("{}=", &good[1..]),
        "../../../../etc/passwd/aaaaaaaaa",
        "' OR 1=1 --aaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert_eq!(whose(&layer, &[format!("__Host-id={value}").into()]).await, "-");
        assert_eq!(store.take_calls(), [], "{value:?}");
    }
    whose(&layer, &[format!("__Host-id={good}").into()]).await;
    assert_eq!(store.take_calls(), [(Call::Load, 1)]);
}

/// Of up to four cookies of our name one counts only if it alone is live, in whatever order, on one
/// line or several.
#[tokio::test]
async fn one_cookie_of_several_counts_only_if_it_alone_is_live() {
    let ((_, layer), ada, eve) = two_users().await;
    let dead = ["B".repeat(32), "C".repeat(32), "malformed".to_owned()];
    let sets: [(&[&str], &str); 6] = [
        (&[&dead[0], &dead[1], &dead[2]], "-"),
        (&[&ada], "ada"),
        (&[&ada, &dead[0], &dead[1], &dead[2]], "ada"),
        (&[&ada, &ada, &dead[0]], "ada"),
        (&[&ada, &eve], "-"),
        (&[&ada, &eve, &dead[0], &dead[2]], "-"),
    ];
    for (tokens, expected) in sets {
        let pairs: Vec<String> = tokens.iter().map(|t| format!("__Host-id={t}")).collect();
        let mut orders = Vec::new();
        tower_keep_tests::race::for_each_order(&pairs, &mut |order| orders.push(order.to_vec()));
        for order in orders {
            let joined = order.join("; ");
            assert_eq!(whose(&layer, &[joined.into()]).await, expected, "{order:?}");
            let lines: Vec<Vec<u8>> = order.iter().map(|pair| pair.clone().into()).collect();
            assert_eq!(whose(&layer, &lines).await, expected, "{order:?}");
        }
    }
    assert!(layer.sessions().counters().ambiguous_tokens > 0);
}

#[tokio::test]
async fn neighbours_of_our_cookie_disturb_nobody() {
    let ((_, layer), ada, _) = two_users().await;
    let ours = format!("__Host-id={ada}");
    for neighbour in [
        &b"a=b"[..],
        b"a=\xff\xfe\x80",
        b"caf\xc3\xa9=1",
        b"=",
        b";;;",
        b"a=\"unclosed",
        b"__Host-id2=x",
        b"__host-id=x",
        b"theme=__Host-id=x",
        b"a=b,c=d",
        b"\t",
    ] {
        for line in [
            [neighbour, b"; ", ours.as_bytes()].concat(),
            [ours.as_bytes(), b";", neighbour].concat(),
            [neighbour, b";", ours.as_bytes(), b" ; ", neighbour].concat(),
        ] {
            let shown = String::from_utf8_lossy(&line).into_owned();
            assert_eq!(whose(&layer, &[line]).await, "ada", "{shown}");
        }
    }
}

#[tokio::test]
async fn only_the_exact_name_and_form_counts() {
    let ((store, layer), ada, _) = two_users().await;
    for line in [
        format!("__host-id={ada}"),
        format!("__HOST-ID={ada}"),
        format!("%5F%5FHost-id={ada}"),
        format!("=__Host-id={ada}"),
        format!("__Host-id ={ada}"),
        format!("__Host-id=\"{ada}\""),
        format!("__Host-id= {ada}"),
        format!("__Host-id=={ada}"),
        format!("x=__Host-id={ada}"),
        format!("__Host-id={ada}, a=b"),
        ada.clone(),
    ] {
        assert_eq!(whose(&layer, &[line.clone().into()]).await, "-", "{line}");
    }
    assert_eq!(store.take_calls(), []);
}

#[tokio::test]
async fn token_elsewhere_in_the_request_is_no_token() {
    let ((store, layer), ada, _) = two_users().await;
    let visit = Visit::to(&layer)
        .header("authorization", format!("Bearer {ada}"))
        .header("session-token", &ada)
        .header("x-cookie", format!("__Host-id={ada}"))
        .header("set-cookie", format!("__Host-id={ada}"));
    let response = visit.run(async |session: Session| assert!(session.is_new()));
    assert_eq!(response.await.status(), 200);
    assert_eq!(store.take_calls(), []);
}

/// A megabyte takes some milliseconds, whatever it is made of. A parser that looks at each byte once
/// for each other would take minutes.
#[tokio::test]
async fn header_of_a_megabyte_takes_linear_time_and_few_calls() {
    let ((store, layer), ada, _) = two_users().await;
    for unit in ["a=b; ", ";", "__Host-id=x;", "=;", "\"", "__Host-id"] {
        let mut line = unit.repeat((1 << 20) / unit.len());
        line.push_str(&format!("; __Host-id={ada}"));
        let begin = Instant::now();
        assert_eq!(whose(&layer, &[line.into()]).await, "ada", "{unit:?}");
        let took = begin.elapsed();
        assert!(took.as_secs() < 5, "{unit:?} took {took:?}");
    }
    let _ = store.take_calls();
    let many: String = (0..10_000).map(|n| format!("__Host-id={n:032}; ")).collect();
    whose(&layer, &[many.into()]).await;
    assert_eq!(store.take_calls(), [(Call::Load, 4)], "four tokens are looked at");
}

#[tokio::test]
async fn layers_on_one_store_do_not_open_each_others_sessions() {
    let (store, shop) = keep();
    let cookie = SessionCookie::named("__Host-admin");
    let admin = SessionLayer::builder(store.clone()).cookie(cookie).build().unwrap();
    let jar = Jar::signed_in(&shop, "ada").await;
    let token = jar.token().unwrap();
    let swapped = format!("__Host-admin={}", token.expose());
    assert_eq!(whose(&admin, &[swapped.clone().into()]).await, "-");
    // Nor does the other layer end, list or change it.
    let visit = Visit::to(&admin).header("cookie", &swapped);
    visit
        .run(async |session: Session| {
            session.destroy();
            session.insert("a", 1)
        })
        .await;
    assert!(admin.sessions().open(&token).await.unwrap().is_none());
    assert!(!admin.sessions().revoke(&token.id()).await.unwrap());
    let ours = format!("__Host-id={}", token.expose());
    assert_eq!(whose(&shop, &[ours.into()]).await, "ada");
}
