//! A TCP segment in a packet of either version of IP.

use core::ffi::c_void;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::programs::SkBuffContext;

/// `ETH_P_IP` and `ETH_P_IPV6` (in the kernel's `if_ether.h`), as the kernel has them: in network order.
const IPV4: u32 = (0x0800_u16).to_be() as u32;
const IPV6: u32 = (0x86dd_u16).to_be() as u32;
/// `IPPROTO_TCP`
const TCP: u8 = 6;
/// The length of the header of IPv6; whoever puts options between it and TCP is not seen.
const IPV6_HEADER: u32 = 40;
const TCP_HEADER: usize = 20;

const FIN: u8 = 1;
const RST: u8 = 4;

/// What is needed of a segment.
pub(crate) struct Segment {
    skb: *mut __sk_buff,
    payload_at: u32,
    /// How many bytes of payload it has.
    pub(crate) payload: u32,
    /// The sequence number of its first byte.
    pub(crate) sequence: u32,
    flags: u8,
}

impl Segment {
    /// The segment in a packet; `None` where it is none of TCP.
    #[inline(always)]
    pub(crate) fn of(context: &SkBuffContext) -> Option<Self> {
        let skb = context.skb.skb;
        // SAFETY: a field of the program's own context.
        let (protocol, length) = unsafe { ((*skb).protocol, (*skb).len) };
        let tcp_at = if protocol == IPV4 {
            let header: [u8; 10] = load(skb, 0)?;
            if header[9] != TCP {
                return None;
            }
            u32::from(header[0] & 0xf) * 4
        } else if protocol == IPV6 {
            let header: [u8; 8] = load(skb, 0)?;
            if header[6] != TCP {
                return None;
            }
            IPV6_HEADER
        } else {
            return None;
        };
        let header: [u8; TCP_HEADER] = load(skb, tcp_at)?;
        let payload_at = tcp_at + u32::from(header[12] >> 4) * 4;
        Some(Self {
            skb,
            payload_at,
            payload: length.saturating_sub(payload_at),
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            flags: header[13],
        })
    }

    /// Whether this side of the connection ends with it.
    #[inline(always)]
    pub(crate) fn closes(&self) -> bool {
        self.flags & (FIN | RST) != 0
    }

    /// Whether the connection is given up.
    #[inline(always)]
    pub(crate) fn resets(&self) -> bool {
        self.flags & RST != 0
    }

    /// The first eight bytes of the payload, in memory's order.
    #[inline(always)]
    pub(crate) fn beginning(&self) -> Option<u64> {
        load(self.skb, self.payload_at).map(u64::from_ne_bytes)
    }

    /// As much of the payload from `offset` on as fits into `bytes`; nothing where there is none.
    #[inline(always)]
    pub(crate) fn copy<const N: usize>(&self, offset: u32, bytes: &mut [u8; N]) {
        const { assert!(N.is_power_of_two()) };
        let length = self.payload.saturating_sub(offset).min(N as u32);
        if length == 0 {
            return;
        }
        // The verifier has to see that it is neither 0 nor too much, so the compiler must not know that already.
        let less_one = core::hint::black_box(length - 1) & (N as u32 - 1);
        // SAFETY: at most as many bytes as the array has.
        unsafe {
            bpf_skb_load_bytes(
                self.skb as *const c_void,
                self.payload_at + offset,
                bytes.as_mut_ptr().cast(),
                less_one + 1,
            )
        };
    }
}

#[inline(always)]
fn load<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: exactly as many bytes as the array has.
    let outcome = unsafe { bpf_skb_load_bytes(skb as *const c_void, offset, bytes.as_mut_ptr().cast(), N as u32) };
    (outcome == 0).then_some(bytes)
}
