//! What goes into [`Devices`](super::Devices) and comes out.

use proxy_doc::{Error, Json, wire};

use crate::coordination::messages::is_battery_low;

/// What a device can do, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A page of the application is seen.
    pub visible: bool,
    /// A page of the application has the focus.
    pub focused: bool,
    /// The network is there.
    pub online: bool,
    /// The application may show notifications of the system.
    pub push: bool,
    /// Percent of the battery; `None` where there is none, or it is being charged.
    pub battery: Option<u32>,
    /// The width of the screen in CSS pixels; 0 where there is none.
    pub screen: u32,
    /// What the application adds.
    pub more: Vec<String>,
}

wire!(struct Capabilities {
    visible = "visible";
    focused = "focused";
    online = "online";
    push = "push";
    battery = "battery";
    screen = "screen" or 0;
    more = "more" or Vec::new();
});

impl Capabilities {
    /// Whether it has something that is needed. A name that is none of the fields is one of the application's.
    pub fn has(&self, need: &str) -> bool {
        match need {
            "visible" => self.visible,
            "focused" => self.focused,
            "online" => self.online,
            "push" => self.push,
            "screen" => self.screen > 0,
            "battery" => !is_battery_low(self.battery),
            more => self.more.iter().any(|own| own == more),
        }
    }

    /// The best device has the highest rank.
    pub fn rank(&self) -> (bool, bool, bool, bool, u32) {
        let Self {
            focused,
            visible,
            online,
            screen,
            ..
        } = *self;
        (focused, visible, online, self.has("battery"), screen)
    }
}

/// What a device shows of itself by presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its id.
    pub device: String,
    /// What the user calls it.
    pub name: String,
    /// What the application calls its kind.
    pub kind: String,
    /// What it can do.
    pub can: Capabilities,
    /// How many tabs of it there are.
    pub tabs: u64,
    /// Milliseconds since it came, by its own clock.
    pub age: u64,
    /// Milliseconds after which it is gone if nothing is heard of it.
    pub ttl: u64,
    /// When the server passed this on, in milliseconds since 1970, where the server says so.
    pub stamp: Option<u64>,
}

wire!(struct About {
    device = "device";
    name = "name" or String::new();
    kind = "kind" or String::new();
    can = "can" or Capabilities::default();
    tabs = "tabs" or 1;
    age = "age" or 0;
    ttl = "ttl";
    stamp = "stamp";
});

/// What a tab says of itself and its device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// It leads the tabs of this device.
    pub leads: bool,
    /// Its application takes messages.
    pub receives: bool,
    /// The ids of all tabs of this device.
    pub tabs: Vec<String>,
    /// What the user calls the device.
    pub name: String,
    /// What the application calls its kind.
    pub kind: String,
    /// What it can do.
    pub can: Capabilities,
}

wire!(struct Own {
    leads = "leads";
    receives = "receives";
    tabs = "tabs";
    name = "name";
    kind = "kind";
    can = "can";
});

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// The document's data as it stands in this tab, with the ops that are on their way; `None` where it does not exist. Comes
    /// after each change, and after each [`Output::Submit`].
    Document(Option<Json>),
    /// The op of this number is in the server's history, and the tab has everything before it.
    Committed {
        /// See [`Output::Submit`].
        op: u64,
    },
    /// The op of this number will not be in the server's history.
    Failed {
        /// See [`Output::Submit`].
        op: u64,
        /// Why.
        error: Error,
    },
    /// Presence of this id shows something, or is gone.
    Heard {
        /// The id.
        key: String,
        /// What it shows.
        about: Option<About>,
    },
    /// The tab or its device is another one than before.
    Own(Own),
    /// The application asks for something. Requests have numbers that the driver counts up.
    Ask(Ask),
    /// Time has passed.
    Tick {},
}

wire!(enum Input {
    Document = "document" (Option<Json>),
    Committed = "committed" { op = "op" },
    Failed = "failed" { op = "op"; error = "error" },
    Heard = "heard" { key = "key"; about = "about" },
    Own = "own" (Own),
    Ask = "ask" (Ask),
    Tick = "tick" {},
});

/// What the application wants.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A lease. The driver asks for it in one tab of this device at a time. Ends with [`Tell::Granted`], and then with
    /// [`Tell::Lost`] or [`Ask::Release`].
    Claim {
        /// The request.
        number: u64,
        /// The lease.
        name: String,
        /// Milliseconds.
        ttl: u64,
    },
    /// Gives a lease back, or gives the request up.
    Release {
        /// The request of the claim.
        number: u64,
    },
    /// The lease is not this tab's any more, and another tab of this device may have it.
    Drop {
        /// The request of the claim.
        number: u64,
    },
    /// A message. The answer comes when all have taken it, or when it is known that they have not.
    Send {
        /// The request.
        number: u64,
        /// Who is to have it.
        to: Target,
        /// 0 is the most important.
        priority: u64,
        /// What is said.
        payload: Json,
        /// Milliseconds after which the request is answered.
        timeout: u64,
    },
    /// This tab's application has taken the message, or refuses it.
    Taken {
        /// The message's id.
        id: String,
        /// Why it is refused.
        refused: Option<String>,
    },
    /// A notification. The answer comes when the server has it.
    Notify {
        /// The request.
        number: u64,
        /// 0 is the most important.
        priority: u64,
        /// What is said.
        payload: Json,
    },
    /// The user has read a notification.
    Read {
        /// Its id.
        id: String,
    },
}

wire!(enum Ask {
    Claim = "claim" { number = "number"; name = "name"; ttl = "ttl" },
    Release = "release" { number = "number" },
    Drop = "drop" { number = "number" },
    Send = "send" {
        number = "number";
        to = "to";
        priority = "priority";
        payload = "payload";
        timeout = "timeout"
    },
    Taken = "taken" { id = "id"; refused = "refused" },
    Notify = "notify" { number = "number"; priority = "priority"; payload = "payload" },
    Read = "read" { id = "id" },
});

/// Who is to have a message.
#[derive(Clone, Debug)]
pub enum Target {
    /// All other devices that are known, also those that are not there now.
    All,
    /// This device.
    Device(String),
    /// The best of those that are there and have all of this; another one where that goes before it has taken the message.
    Best(Vec<String>),
}

wire!(enum Target {
    All = "all",
    Device = "device" (String),
    Best = "best" (Vec<String>),
});

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Submit this op, and then say how the document stands. No second op comes before that.
    Submit {
        /// Its number.
        number: u64,
        /// json0.
        op: Json,
    },
    /// Show this by presence.
    Show(About),
    /// Show nothing by presence any more.
    Hide {},
    /// Tell the application.
    Tell(Tell),
}

wire!(enum Output {
    Submit = "submit" { number = "number"; op = "op" },
    Show = "show" (About),
    Hide = "hide" {},
    Tell = "tell" (Tell),
});

/// What the application is told.
#[derive(Debug)]
pub enum Tell {
    /// A request has ended.
    Answer {
        /// The request.
        number: u64,
        /// Why it failed.
        error: Option<Error>,
        /// What came of it.
        result: Option<Json>,
    },
    /// The lease is this tab's.
    Granted {
        /// The request.
        number: u64,
        /// The fencing token.
        token: u64,
    },
    /// The lease was lost.
    Lost {
        /// The request.
        number: u64,
    },
    /// Which devices there are.
    Devices {
        /// Those that are there, the own one first.
        present: Vec<Device>,
        /// All that are known, the own one too.
        known: Vec<Device>,
    },
    /// A device came, went, or says something else of itself.
    Device {
        /// What happened.
        event: DeviceEvent,
        /// The device.
        device: Device,
    },
    /// A message for the application of this tab: [`Ask::Taken`] is to follow.
    Message(Delivery),
    /// Messages for this device were dropped before it had them.
    Gap {},
    /// All notifications, the most important ones first, the latest first among those.
    Notices(Vec<Shown>),
    /// A notification is new to this tab.
    Notice(Shown),
    /// A notification was read.
    Read(Shown),
    /// What nobody asked for went wrong.
    Failed(Error),
}

wire!(enum Tell {
    Answer = "answer" { number = "number"; error = "error"; result = "result" },
    Granted = "granted" { number = "number"; token = "token" },
    Lost = "lost" { number = "number" },
    Devices = "devices" { present = "present"; known = "known" },
    Device = "device" { event = "event"; device = "device" },
    Message = "message" (Delivery),
    Gap = "gap" {},
    Notices = "notices" (Vec<Shown>),
    Notice = "notice" (Shown),
    Read = "read" (Shown),
    Failed = "failed" (Error),
});

/// A device as the application sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// What the application calls its kind.
    pub kind: String,
    /// What it can do.
    pub can: Capabilities,
    /// How many tabs of it there are.
    pub tabs: u64,
    /// When it came, in milliseconds since 1970: by the server's clock where the server says its time, else by this
    /// device's.
    pub since: u64,
    /// When it was heard of last, by the same clock.
    pub seen: u64,
}

wire!(struct Device {
    id = "id";
    name = "name";
    kind = "kind";
    can = "can";
    tabs = "tabs";
    since = "since";
    seen = "seen";
});

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It came.
    Join,
    /// It is gone.
    Leave,
    /// It says something else of itself.
    Change,
}

wire!(
    enum DeviceEvent {
        Join = "join",
        Leave = "leave",
        Change = "change",
    }
);

/// A message that is to be taken.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The device that sent it.
    pub from: String,
    /// 0 is the most important.
    pub priority: u64,
    /// What is said.
    pub payload: Json,
}

wire!(struct Delivery {
    id = "id";
    from = "from";
    priority = "priority";
    payload = "payload";
});

/// A notification as the application sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// The device that made it.
    pub from: String,
    /// 0 is the most important.
    pub priority: u64,
    /// What is said.
    pub payload: Json,
    /// The device on which it was read.
    pub read: Option<String>,
    /// It was made before this tab looked.
    pub missed: bool,
}

wire!(struct Shown {
    id = "id";
    from = "from";
    priority = "priority";
    payload = "payload";
    read = "read";
    missed = "missed";
});

#[cfg(test)]
mod tests {
    use super::*;

    /// As for tabs: see `a_battery_at_twenty_percent_is_not_low` in the host.
    #[test]
    fn a_battery_at_twenty_percent_is_not_low() {
        let has = |battery| {
            let device = Capabilities {
                battery,
                ..Capabilities::default()
            };
            device.has("battery")
        };
        assert!(has(Some(20)) && has(None));
        assert!(!has(Some(19)));
    }
}
