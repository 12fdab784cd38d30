package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func TestDomains(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "Gmail", "hotmail.fr": "Outlook.com", "aol.de": "Yahoo", "yahoo.co.jp": "Yahoo Japan", "me.com": "iCloud", "gmx.at": "GMX", "web.de": "WEB.DE",
		"t-online.de": "T-Online", "orange.fr": "Orange", "neuf.fr": "SFR", "laposte.net": "Laposte", "tin.it": "Virgilio/TIM", "bk.ru": "Mail.ru", "163.com": "NetEase",
		"hanmail.net": "Daum", "sbcglobal.net": "AT&T", "seznam.cz": "Seznam", "o2.pl": "WP", "home.nl": "Ziggo", "bol.com.br": "UOL", "example.org": "",
	} {
		if got, known := OfDomain(domain); got != want || known != (want != "") {
			t.Errorf("%s is of %q, want %q", domain, got, want)
		}
	}
	if n := len(domains.names); n < 500 {
		t.Errorf("only %d domains", n)
	}
}

// TestRevised fails when the table is changed: give it a later time in "revised",
// without which databases keep the earlier one, and the sum that it has now.
func TestRevised(t *testing.T) {
	const revised, sum = "2026-12-01T00:00:00Z", "b8ba59dafa16972e196b0eb49fe2a495ccf436157da222f2a9a77f1baceafcab"
	text := sha256.Sum256([]byte(domainsFile))
	if got := hex.EncodeToString(text[:]); got != sum || domains.revised.Format("2006-01-02T15:04:05Z07:00") != revised {
		t.Errorf("domains.txt of %v has the sum %s", domains.revised, got)
	}
}

func TestExchangers(t *testing.T) {
	for host, want := range map[string]string{
		"ASPMX.L.GOOGLE.COM.": "Google Workspace", "alt1.aspmx.l.google.com": "Google Workspace", "acme-com.mail.protection.outlook.com.": "Microsoft 365",
		"acme.olc.protection.outlook.com": "Outlook.com", "mx01.mail.icloud.com": "iCloud", "mx0a-001.pphosted.com": "Proofpoint", "eu-smtp-inbound-1.mimecast.com": "Mimecast",
		"mx1.mail.ovh.net": "OVHcloud", "mx00.kundenserver.de": "IONOS", "spool.mail.gandi.net": "Gandi", "in1-smtp.messagingengine.com": "Fastmail",
		"mx.notgoogle.com": Other, "google.com.evil.example": Other, "com": Other, "": Other,
	} {
		if got := OfExchanger(host); got != want {
			t.Errorf("%s is of %q, want %q", host, got, want)
		}
	}
}

func TestReadTableRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"Gmail gmail.com":               "line 1: want a provider",
		"# c\nA: a.com\nB: b.com a.com": "line 3: a.com is there twice, of A too",
		"A: Gmail.com":                  "lower case",
		"A: localhost":                  "no name of a domain",
		"other: a.com":                  "want a provider",
		"revised yesterday":             "reading when it was revised",
	} {
		if _, err := readTable(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestReserved(t *testing.T) {
	for domain, want := range map[string]bool{
		"example": true, "mail.example": true, "a.test": true, "x.invalid": true, "localhost": true, "y.localhost": true, "example.com": true, "www.example.org": true, "example.net": true,
		"printer.local": true, "a.onion": true, "singlelabel": true, "1.2.3.4": true, "a..b.de": true, ".de": true, "a.de.": true, "a b.de": true, "ü.de": true, "": true, strings.Repeat("a.", 127) + "de": true,
		"notexample.com": false, "example.de": false, "testing.com": false, "xn--mller-kva.de": false, "a-b.co.uk": false, "163.com": false, "mytest.org": false,
	} {
		if got := Reserved(domain); got != want {
			t.Errorf("%q: %v", domain, got)
		}
	}
}

func TestLookUp(t *testing.T) {
	server := startNameServer(t, map[string][]string{
		"workspace.de": {"aspmx.l.google.com.", "alt1.aspmx.l.google.com."},
		"filtered.de":  {"mx.own-host.de.", "mx0a.pphosted.com.", "acme.mail.protection.outlook.com."},
		"own.de":       {"mail.own.de."},
		"nomail.de":    {"."},
		"addressed.de": {},
	})
	server.set(func() { server.fails["broken.de"] = true })
	for domain, want := range map[string]string{"workspace.de": "Google Workspace", "filtered.de": "Proofpoint", "own.de": Other, "nomail.de": "", "addressed.de": "", "missing.de": ""} {
		got, err := lookUp(t.Context(), server.resolver(), domain)
		if got != want || err != nil {
			t.Errorf("%s is of %q (%v), want %q", domain, got, err, want)
		}
	}
	if _, err := lookUp(t.Context(), server.resolver(), "broken.de"); err == nil {
		t.Error("a server that fails is taken for an answer")
	}
}
