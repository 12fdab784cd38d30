package publicnet

import (
	"errors"
	"net/netip"
	"testing"
)

func TestCheck(t *testing.T) {
	const public, private, never = 0, 1, 2
	for address, want := range map[string]int{
		"93.184.215.14": public, "8.8.8.8": public, "2606:4700::1111": public, "2a00:1450:4001::5": public,
		"64:ff9b::8.8.8.8": public, "::ffff:8.8.8.8": public, "2002:808:808::1": public,

		"127.0.0.1": private, "127.255.0.9": private, "10.1.2.3": private, "172.16.0.1": private, "172.31.255.255": private,
		"192.168.1.1": private, "100.64.0.1": private, "169.254.1.1": private, "198.18.0.1": private, "240.0.0.1": private,
		"192.0.2.1": private, "::1": private, "fe80::1": private, "fe80::1%eth0": private, "fc00::1": private, "fd12::1": private,
		"fec0::1": private, "100::1": private, "2001:db8::1": private, "2001::1": private,
		"::ffff:127.0.0.1": private, "::ffff:10.0.0.1": private, "64:ff9b::10.0.0.1": private, "64:ff9b::7f00:1": private,
		"64:ff9b:1::1": private, "2002:7f00:1::": private, "2002:a00:1::1": private, "::127.0.0.1": private,

		"0.0.0.0": never, "::": never, "169.254.169.254": never, "::ffff:169.254.169.254": never, "64:ff9b::a9fe:a9fe": never,
		"100.100.100.200": never, "168.63.129.16": never, "fd00:ec2::254": never, "224.0.0.1": never, "ff02::1": never,
		"255.255.255.255": never, "2002:a9fe:a9fe::1": never,
	} {
		a := netip.MustParseAddr(address)
		for _, allow := range []bool{false, true} {
			refused := want == never || want == private && !allow
			err := Check(a, allow)
			if (err != nil) != refused || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%s, allow_private %v: %v", address, allow, err)
			}
		}
	}
}
