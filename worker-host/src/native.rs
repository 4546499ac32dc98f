//! Drives a [`Host`] over a real WebSocket, for tests and load: tokio instead of a browser.
//!
//! One task holds the host; each socket has a task of its own, which only carries text. Tabs are in the
//! same process: their messages come in by a channel, and what is for them is handed to a function.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use proxy_doc::{TabId, json_string};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::{Host, Output, ReadyState};

/// An input of a tab.
#[derive(Debug)]
pub enum Input {
    /// It posts a message.
    Message(TabId, String),
    /// It is gone.
    Gone(TabId),
}

/// An event of a socket, with the number of the socket.
type Report = (u64, SocketEvent);

enum SocketEvent {
    Opened,
    Message(String),
    /// It could not be opened, or broke.
    Failed(String),
    Closed,
}

/// The socket in use.
struct Socket {
    number: u64,
    /// Dropping it closes the socket.
    outgoing: UnboundedSender<String>,
}

struct Driver<F> {
    host: Host,
    url: String,
    post: F,
    socket: Option<Socket>,
    sockets: u64,
    reports: UnboundedSender<Report>,
    timer: Option<Instant>,
}

/// Connects `host` to the server at `url`, and works until `inputs` ends. `post` gets what is for a tab.
pub async fn drive(
    mut host: Host,
    url: String,
    mut inputs: UnboundedReceiver<Input>,
    post: impl FnMut(TabId, String),
) {
    let (reports, mut reported) = unbounded_channel();
    host.connect();
    let mut driver = Driver {
        host,
        url,
        post,
        socket: None,
        sockets: 0,
        reports,
        timer: None,
    };
    loop {
        driver.carry_out();
        let timer = driver.timer;
        tokio::select! {
            input = inputs.recv() => match input {
                Some(Input::Message(tab, text)) => driver.host.handle_tab(&tab, &text),
                Some(Input::Gone(tab)) => driver.host.tab_gone(&tab),
                None => return,
            },
            Some((number, event)) = reported.recv() => driver.handle(number, event),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                driver.timer = None;
                driver.host.handle_timer(random());
            }
        }
    }
}

impl<F: FnMut(TabId, String)> Driver<F> {
    fn carry_out(&mut self) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::ToTab { tab, text, .. } => (self.post)(tab, text),
                Output::Send(text) => {
                    if let Some(socket) = &self.socket {
                        // It fails where the socket has just broken: the report of that is on its way.
                        let _ = socket.outgoing.send(text);
                    }
                }
                Output::CloseSocket | Output::DropSocket => self.socket = None,
                Output::OpenSocket(url) => self.open(url),
                Output::StartTimer(milliseconds) => {
                    let delay = Duration::from_millis(u64::from(milliseconds));
                    self.timer = Some(Instant::now() + delay);
                }
                Output::Debug {
                    tab, before, after, ..
                } => (self.post)(tab, format!("{before}null{after}")),
                Output::Storage(_) | Output::FindTabs(_) | Output::BeginAnew => {
                    unreachable!("this driver has no storage for a host")
                }
                Output::StartAlarm(_) | Output::Realtime(_) => {
                    unreachable!("the tabs of this driver agree on nothing")
                }
                Output::Resigned | Output::Deposed => {
                    unreachable!("this driver has its host to the end")
                }
                Output::Warn(text) => eprintln!("host: {text}"),
            }
        }
    }

    fn open(&mut self, url: Option<String>) {
        self.sockets += 1;
        let (outgoing, texts) = unbounded_channel();
        self.socket = Some(Socket {
            number: self.sockets,
            outgoing,
        });
        self.host.bind_socket(ReadyState::Connecting);
        let url = url.unwrap_or_else(|| self.url.clone());
        let (reports, number) = (self.reports.clone(), self.sockets);
        tokio::spawn(async move {
            // The channel is closed when the driver has ended.
            let report = |event| drop(reports.send((number, event)));
            if let Err(error) = carry(&url, texts, &report).await {
                report(SocketEvent::Failed(error.to_string()));
            }
            report(SocketEvent::Closed);
        });
    }

    fn handle(&mut self, number: u64, event: SocketEvent) {
        if self
            .socket
            .as_ref()
            .is_none_or(|socket| socket.number != number)
        {
            return;
        }
        match event {
            SocketEvent::Opened => self.host.socket_opened(),
            SocketEvent::Message(text) => self.host.socket_message(&text),
            SocketEvent::Failed(error) => self.host.socket_failed(json_string(&error)),
            SocketEvent::Closed => {
                self.socket = None;
                self.host.socket_closed(None, random());
            }
        }
    }
}

/// Carries text both ways until an end closes.
async fn carry(
    url: &str,
    mut texts: UnboundedReceiver<String>,
    report: &impl Fn(SocketEvent),
) -> Result<(), Box<tokio_tungstenite::tungstenite::Error>> {
    let (mut socket, _) = connect_async(url).await.map_err(Box::new)?;
    report(SocketEvent::Opened);
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Some(text) => socket.send(Message::text(text)).await.map_err(Box::new)?,
                None => return socket.close(None).await.map_err(Box::new),
            },
            message = socket.next() => match message.transpose().map_err(Box::new)? {
                Some(Message::Text(text)) => report(SocketEvent::Message(text.as_str().to_owned())),
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

/// A number in [0, 1), from the keys that the standard library gives each of its hash maps.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
