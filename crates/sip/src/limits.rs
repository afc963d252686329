//! The limits of the message layer. Each protects memory or time from one peer's message.

/// The most bytes of one message, head and body: as many as fit a UDP datagram. The limit for streams is the same, so that a
/// message can always leave by either transport.
pub const MESSAGE_MAX: usize = 65_536;
/// The most bytes of a message's head (start line and headers).
pub const HEAD_MAX: usize = 49_152;
/// The most bytes of one header line with its continuation lines.
pub const LINE_MAX: usize = 16_384;
/// The most header lines of a message: 70 hops with a Via and a Record-Route each, and the rest.
pub const HEADERS_MAX: usize = 256;
/// The free space of each of these that an edge message must leave for additions by proxies and nodes, also to messages that
/// follow from it: a Via and a Record-Route with their tokens, sender, tenant, unreachable owner, Content-Length. With less it
/// would be invalid on arrival, and that closes the connection between a proxy and its node.
pub const HEADERS_ROOM: usize = 16;
/// The same in bytes of the head, and of the whole message.
pub const HEAD_ROOM: usize = 4_096;
/// The same in bytes of a line: `received` and `rport` of a Via.
pub const LINE_ROOM: usize = 256;
/// The free space of a line and of the head that a response needs: for a tag and Content-Length.
pub const TAG_ROOM: usize = 128;
/// The most elements read of one list header, or parameters of one element.
pub const LIST_MAX: usize = 256;
