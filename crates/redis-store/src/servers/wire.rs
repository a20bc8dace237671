//! One connection, on which the commands of all callers follow each other: [`Wire`].

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf},
    sync::oneshot,
    time::{Instant, Sleep},
};

use super::{
    Command,
    dial::Stream,
    reply::{Frame, Reply},
};

/// Room for so many bytes is made before each read.
const READ_BYTES: usize = 32 * 1_024;

/// A buffer of more bytes than this is not kept for the next commands.
const KEPT_BYTES: usize = 1_024 * 1_024;

/// So many commands leave at once, so that the server works on them while the next are made.
const ENOUGH: usize = 16;

/// So many times within the timeout it is looked whether an answer is overdue.
const LOOKS: u32 = 8;

/// A connection whose copies share it: commands are sent in the order of the calls, and answered in it.
///
/// What tasks send before the connection's own task runs leaves in one write, and what arrives in one read
/// is given out at once; each answer is taken apart by who asked. A caller that is gone is answered to
/// nobody. Nothing is sent twice. The connection ends, with all who wait, when an answer is overdue.
#[derive(Clone)]
pub(super) struct Wire(Arc<Caller>);

/// Ends the connection with the last of its copies.
struct Caller(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    /// Until the end: a connection is closed when nobody has a half of it.
    writer: Mutex<Option<Writer>>,
    /// The task that reads, and writes what is left.
    driver: AtomicWaker,
}

#[derive(Default)]
struct Line {
    /// What has not been taken to be written, and who sent it.
    commands: Vec<u8>,
    callers: Vec<Asked>,
    /// Who waits for answers to what was taken, and since when.
    waiting: VecDeque<(Asked, Instant)>,
    /// No caller is left.
    is_left: bool,
    /// Why nothing more is sent.
    end: Option<io::ErrorKind>,
}

/// Who waits for how many answers.
struct Asked {
    answers: usize,
    caller: oneshot::Sender<Reply>,
}

impl Wire {
    /// Begins to carry commands over a stream. Answers are waited for so long.
    pub(super) fn over(stream: Box<dyn Stream>, timeout: Duration) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let shared = Arc::new(Shared {
            line: Mutex::default(),
            writer: Mutex::new(Some(Writer::new(writer))),
            driver: AtomicWaker::new(),
        });
        let mut driver = Driver::new(reader, Arc::clone(&shared), timeout);
        tokio::spawn(async move {
            let end = poll_fn(|context| driver.poll(context)).await;
            driver.shared.end(end);
        });
        Self(Arc::new(Caller(shared)))
    }

    /// Whether nothing more can be sent.
    pub(super) fn has_ended(&self) -> bool {
        self.0.0.line().end.is_some()
    }

    /// Sends commands in a row, before the answer is polled; that has the answer to each, any of which may be an
    /// error.
    pub(super) fn send<'a>(
        &'a self,
        commands: &[Command],
    ) -> impl Future<Output = io::Result<Reply>> + use<'a> {
        let shared = &self.0.0;
        let (caller, answer) = oneshot::channel();
        shared.take(commands, caller);
        async move {
            answer
                .await
                .map_err(|_| shared.line().end.unwrap_or(io::ErrorKind::ConnectionAborted).into())
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.line().is_left = true;
        self.0.driver.wake();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes commands to be written; if the connection has ended, who waits sees the sender go.
    fn take(&self, commands: &[Command], caller: oneshot::Sender<Reply>) {
        let mut line = self.line();
        if line.end.is_some() {
            return;
        }
        for command in commands {
            command.write(&mut line.commands);
        }
        line.callers.push(Asked { answers: commands.len(), caller });
        let sent = line.callers.len();
        drop(line);
        match sent {
            // The others leave together with the first.
            1 => self.driver.wake(),
            ENOUGH => self.write_now(),
            _ => {}
        }
    }

    /// Writes what can be written without waiting; the rest is the driver's.
    fn write_now(&self) {
        let written = self.writer.try_lock().ok().and_then(|mut writer| {
            let mut nobody = Context::from_waker(Waker::noop());
            Some(writer.as_mut()?.poll_write(&self.line, &mut nobody))
        });
        match written {
            Some(Poll::Ready(Ok(()))) => return,
            // How much has left is not known any more.
            Some(Poll::Ready(Err(error))) => self.end(error.kind()),
            Some(Poll::Pending) | None => {}
        }
        self.driver.wake();
    }

    /// Whether all callers are gone and what they sent was answered.
    fn is_done(&self) -> bool {
        let line = self.line();
        line.is_left && line.callers.is_empty() && line.waiting.is_empty()
    }

    fn end(&self, kind: io::ErrorKind) {
        *self.writer() = None;
        let mut line = self.line();
        line.end.get_or_insert(kind);
        // Who waits sees its sender go.
        line.callers.clear();
        line.waiting.clear();
    }
}

/// Writes what callers send.
struct Writer {
    stream: WriteHalf<Box<dyn Stream>>,
    /// What is being written, and how much of it was.
    bytes: Vec<u8>,
    written: usize,
    is_flushed: bool,
}

impl Writer {
    fn new(stream: WriteHalf<Box<dyn Stream>>) -> Self {
        Self { stream, bytes: Vec::new(), written: 0, is_flushed: true }
    }

    /// Ready when all that was sent has left.
    fn poll_write(
        &mut self,
        line: &Mutex<Line>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.bytes.len() {
                let rest = &self.bytes[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.written += written,
                }
            }
            if !self.take(&mut line.lock().unwrap_or_else(PoisonError::into_inner)) {
                break;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was sent meanwhile.
    fn take(&mut self, line: &mut Line) -> bool {
        self.bytes.clear();
        self.written = 0;
        if line.callers.is_empty() {
            return false;
        }
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        std::mem::swap(&mut self.bytes, &mut line.commands);
        let now = Instant::now();
        line.waiting.extend(line.callers.drain(..).map(|asked| (asked, now)));
        self.is_flushed = false;
        true
    }
}

/// Gives callers what arrives, and writes what they left. The connection ends with it.
struct Driver {
    stream: ReadHalf<Box<dyn Stream>>,
    shared: Arc<Shared>,
    bytes: BytesMut,
    frame: Frame,
    timeout: Duration,
    /// When an answer came last.
    heard: Instant,
    next_look: Pin<Box<Sleep>>,
    is_looking: bool,
}

impl Driver {
    fn new(stream: ReadHalf<Box<dyn Stream>>, shared: Arc<Shared>, timeout: Duration) -> Self {
        Self {
            stream,
            shared,
            bytes: BytesMut::new(),
            frame: Frame::default(),
            timeout,
            heard: Instant::now(),
            next_look: Box::pin(tokio::time::sleep(timeout)),
            is_looking: false,
        }
    }

    /// Ready at the end of the connection, with the reason.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::ErrorKind> {
        self.shared.driver.register(context.waker());
        for work in [Self::poll_write, Self::poll_read] {
            if let Poll::Ready(Err(error)) = work(self, context) {
                return Poll::Ready(error.kind());
            }
        }
        if self.shared.is_done() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted);
        }
        self.poll_overdue(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.shared.writer() {
            Some(writer) => writer.poll_write(&self.shared.line, context),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    /// Pending as long as answers may come.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.bytes.reserve(READ_BYTES);
            let read = pin!(self.stream.read_buf(&mut self.bytes)).poll(context);
            if ready!(read)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.heard = Instant::now();
            self.give_out()?;
        }
    }

    /// Gives whole answers to those who wait for them.
    fn give_out(&mut self) -> io::Result<()> {
        while !self.bytes.is_empty() {
            let asked = self.shared.line().waiting.front().map(|(asked, _)| asked.answers);
            // Nobody asked.
            let answers = asked.ok_or(io::ErrorKind::InvalidData)?;
            let Some(end) = self.frame.end(&self.bytes, answers)? else { break };
            self.frame = Frame::default();
            let reply = Reply::from(self.bytes.split_to(end).freeze());
            let asked = self.shared.line().waiting.pop_front();
            if let Some((asked, _)) = asked {
                // Its caller may be gone.
                let _ = asked.caller.send(reply);
            }
        }
        Ok(())
    }

    /// Ready when an answer is overdue.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<io::ErrorKind> {
        loop {
            let since = self.shared.line().waiting.front().map(|(_, since)| *since);
            let Some(since) = since else { return Poll::Pending };
            if !self.is_looking {
                self.next_look.as_mut().reset(Instant::now() + self.timeout / LOOKS);
                self.is_looking = true;
            }
            ready!(self.next_look.as_mut().poll(context));
            self.is_looking = false;
            // One whose turn has just come, after others that took long, is not overdue.
            if since.max(self.heard).elapsed() >= self.timeout {
                return Poll::Ready(io::ErrorKind::TimedOut);
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its runtime may have ended, and callers be of another.
        self.shared.end(io::ErrorKind::ConnectionAborted);
    }
}

#[cfg(test)]
mod tests;
