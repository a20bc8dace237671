//! Requests through the layer whose handler is a closure: [`Visit`], and what browsers keep: [`Jar`].

use std::convert::Infallible;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Request, header};
use tower::{Layer, ServiceExt, service_fn};
use tower_keep::{Session, SessionId, SessionLayer, Token};

/// What a handler does with its session, and nothing else.
pub type Act = fn(&Session);

/// The name of the default cookie.
const COOKIE: &str = "__Host-id";

/// What a browser keeps of our cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar(Option<String>);

impl Jar {
    /// A browser that was never here.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A browser that holds this token.
    #[must_use]
    pub fn holding(token: &str) -> Self {
        Self(Some(token.to_owned()))
    }

    /// The browser after a visit of a session that the handler began, and its token.
    pub async fn signed_in(layer: &SessionLayer, user: &str) -> Self {
        let user = user.to_owned();
        let mut jar = Self::new();
        let response =
            Visit::to(layer).run(async move |session: Session| session.set_user(user)).await;
        jar.take(&response);
        assert!(jar.0.is_some(), "a sign-in sends a token");
        jar
    }

    /// Does what browsers do with a response.
    pub fn take(&mut self, response: &Response) {
        for line in our_cookies(response) {
            let (pair, attributes) = line.split_once(';').unwrap();
            let (_, value) = pair.split_once('=').unwrap();
            self.0 = (!attributes.contains("Max-Age=0;")).then(|| value.to_owned());
        }
    }

    /// The token, as text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The id of the session that the token opens.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.token().map(|token| token.id())
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.0.as_ref().map(|text| text.parse().unwrap())
    }
}

/// Whether a `Set-Cookie` line is that of the default session cookie.
#[must_use]
pub fn is_our_cookie(line: &str) -> bool {
    line.split('=').next() == Some(COOKIE)
}

/// The `Set-Cookie` lines of the default session cookie.
#[must_use]
pub fn our_cookies(response: &Response) -> Vec<String> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines.filter(|line| is_our_cookie(line)).collect()
}

/// The values of a header, joined as a list.
#[must_use]
pub fn listed(response: &Response, name: &str) -> String {
    let values = response.headers().get_all(name).iter();
    let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
    values.join(", ")
}

/// The body as text.
pub async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    String::from_utf8(bytes.unwrap().into()).unwrap()
}

/// One request through a layer.
#[derive(Debug)]
pub struct Visit {
    layer: SessionLayer,
    request: Request<Body>,
}

impl Visit {
    /// A request without a cookie.
    #[must_use]
    pub fn to(layer: &SessionLayer) -> Self {
        Self { layer: layer.clone(), request: Request::new(Body::empty()) }
    }

    /// Sends the cookie that a browser holds.
    #[must_use]
    pub fn with(self, jar: &Jar) -> Self {
        match jar.text() {
            Some(token) => self.header("cookie", format!("{COOKIE}={token}")),
            None => self,
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.request.headers_mut().append(name, value);
        self
    }

    /// The response, whose handler is given the request as the layer made it.
    pub fn raw<F, R, E>(
        self,
        handler: F,
    ) -> impl Future<Output = Result<Response, E>> + Send + use<F, R, E>
    where
        F: FnOnce(Request<Body>) -> R + Send + 'static,
        R: Future<Output = Result<Response, E>> + Send + 'static,
        E: Send + 'static,
    {
        let mut handler = Some(handler);
        let service = service_fn(move |request| handler.take().expect("one request")(request));
        self.layer.layer(service).oneshot(self.request)
    }

    /// The response, whose handler is given the session.
    pub fn future<F, R>(
        self,
        handler: F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<F, R>
    where
        F: FnOnce(Session) -> R + Send + 'static,
        R: Future<Output: IntoResponse> + Send + 'static,
    {
        self.raw(|request: Request<Body>| async move {
            let session = Session::load(request.extensions()).await;
            drop(request);
            Ok(match session {
                Ok(session) => handler(session).await.into_response(),
                Err(error) => error.into_response(),
            })
        })
    }

    /// The response, whose handler is given the session.
    pub async fn run<F, R>(self, handler: F) -> Response
    where
        F: FnOnce(Session) -> R + Send + 'static,
        R: Future<Output: IntoResponse> + Send + 'static,
    {
        self.future(handler).await.unwrap()
    }

    /// The response in a task of its own, as a server makes it.
    pub fn spawn<F, R>(self, handler: F) -> tokio::task::JoinHandle<Response>
    where
        F: FnOnce(Session) -> R + Send + 'static,
        R: Future<Output: IntoResponse> + Send + 'static,
    {
        tokio::spawn(self.run(handler))
    }
}
