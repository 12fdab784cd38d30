package provider

import (
	"fmt"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestMachine(t *testing.T) {
	for agent, want := range map[string]string{
		"":            "unknown []",
		"Mozilla/5.0": "machine [apple_mail_privacy_protection]",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15":                      "human []",
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)": "proxy [google_image_proxy]",
		"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html":                  "proxy [yahoo_mail_proxy]",
		"Barracuda Sentinel (EE)": "machine [scanner_agent:barracuda]",
		"BarracudaURLScanner":     "machine [scanner_agent:barracuda]",
		"python-requests/2.32":    "machine [scanner_agent:python-requests]",
		"curl/8.0":                "machine [scanner_agent:curl]",
		"Curling club reader":     "human []",
		"Go-http-client/2.0":      "machine [scanner_agent:go-http-client]",
		"Mozilla/5.0 (X11) HeadlessChrome/120 Safari/537.36": "machine [scanner_agent:headlesschrome]",
		"Mozilla/5.0 TMES":             "machine [scanner_agent:tmes]",
		"Proofpoint URL Defense":       "machine [scanner_agent:proofpoint]",
		"GoogleImageProxy then curl/8": "machine [scanner_agent:curl]",
	} {
		ev := one(t, with("open", `"agent":`+asJSON(agent)))
		if got := fmt.Sprint(ev.Machine, ev.MachineReasons); got != want {
			t.Errorf("%q: got %s, want %s", agent, got, want)
		}
	}
	if ev := one(t, with("sent", `"agent":"curl/8"`)); ev.Machine != schemas.MachineUnknown {
		t.Errorf("a delivery is by %v", ev.Machine)
	}
}
