package ingest

import (
	"net/http"
	"net/netip"
	"strings"
)

// remoteIP returns the caller's address: the connection's, or behind trusted
// proxies the last address in X-Forwarded-For that is not one of them. Anything
// further left may have been made up by the caller.
func (g *Gateway) remoteIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap()
	if len(g.cfg.TrustedProxies) == 0 || !g.trusted(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap(); !g.trusted(addr) {
			break
		}
	}
	return addr.String()
}

func (g *Gateway) trusted(a netip.Addr) bool {
	for _, p := range g.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
