// Package publicnet keeps requests to addresses that others chose away from
// this machine, its network and what hands out credentials there.
package publicnet

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Errors about addresses that must not be called.
var (
	// ErrRefused is wrapped by all of them.
	ErrRefused = errors.New("address refused")
	// ErrNotPublic is wrapped where the address would be called if private ones
	// were allowed.
	ErrNotPublic = fmt.Errorf("%w: not public", ErrRefused)
)

// notPublic lists what is not the public internet, from the IANA special
// purpose registries (RFC 6890 and its updates).
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure's platform address: public in form only
	"2001::/23",        // IETF protocol assignments, Teredo among them
	"2001:db8::/32", "3fff::/20", "5f00::/16",
)

// never lists what not even allow_private opens: metadata services, which hand
// out credentials, and addresses that are no single host.
var never = prefixes(
	"169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128",
	"224.0.0.0/4", "ff00::/8", "255.255.255.255/32", "0.0.0.0/8", "::/128",
)

var (
	unicast6 = netip.MustParsePrefix("2000::/3")
	// These carry an IPv4 address: at byte 12, and 6to4 at byte 2.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	sixTo = netip.MustParsePrefix("2002::/16")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Check returns an error unless the address may be called.
func Check(a netip.Addr, allowPrivate bool) error {
	real := embedded(a)
	switch {
	case within(never, real):
		return fmt.Errorf("%w: %s is never called", ErrRefused, a)
	case allowPrivate:
		return nil
	case real.Is4() && within(notPublic, real),
		real.Is6() && (!unicast6.Contains(real) || within(notPublic, real)):
		return fmt.Errorf("%w: %s", ErrNotPublic, a)
	}
	return nil
}

// embedded returns the IPv4 address that an IPv6 address stands for, or the
// address itself.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixTo.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// Control returns a net.Dialer.Control: it sees the address that is really dialled,
// after DNS, so a name that changes its address between check and call gains
// nothing.
func Control(allowPrivate bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s %q", ErrRefused, network, address)
		}
		return Check(ap.Addr(), allowPrivate)
	}
}
