package main

import (
	"fmt"

	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/schemas"
)

// agent is a user agent as the decoders and the normalizer read it.
type agent struct {
	text    string
	client  client.Client
	machine schemas.Machine
	reasons []string
}

// agents are the user agents of the world, by who uses them.
type agents struct {
	all []agent
	// Numbers of agents in all.
	phones, desktops, corporate, scanners []uint16
	relay, gmail, yahoo                   uint16
}

func newAgents() *agents {
	a := &agents{}
	add := func(to *[]uint16, text string) {
		*to = append(*to, a.add(text, schemas.MachineHuman))
	}
	for major := 16; major <= 19; major++ {
		for minor := range 7 {
			add(&a.phones, fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", major, minor))
			add(&a.phones, fmt.Sprintf("Mozilla/5.0 (iPad; CPU OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", major, minor))
		}
	}
	for _, model := range []string{"SM-S911B", "SM-S928B", "SM-A546B", "SM-A155F", "Pixel 7", "Pixel 8", "Pixel 9 Pro", "2201117TY", "23021RAA2Y", "CPH2483", "M2101K6G", "moto g54 5G"} {
		for android := 12; android <= 16; android++ {
			for _, chrome := range []int{128, 134, 138, 140, 141} {
				add(&a.phones, fmt.Sprintf("Mozilla/5.0 (Linux; Android %d; %s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36", android, model, chrome))
			}
		}
	}
	for v := 118; v <= 142; v++ {
		add(&a.desktops, fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", v))
		add(&a.desktops, fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", v))
		add(&a.desktops, fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%d.0) Gecko/20100101 Firefox/%d.0", v, v))
		add(&a.corporate, fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36 Edg/%d.0.0.0", v, v))
	}
	for v := 15; v <= 18; v++ {
		add(&a.desktops, fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.5 Safari/605.1.15", v))
	}
	for _, build := range []string{"16.0.16731", "16.0.17328", "16.0.17928", "16.0.18227", "16.0.18429"} {
		add(&a.corporate, "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook "+build+"; Pro)")
		add(&a.corporate, "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Win64; x64; Trident/7.0; Microsoft Outlook "+build+"; ms-office; MSOffice 16)")
	}
	for v := 115; v <= 143; v += 4 {
		add(&a.desktops, fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Thunderbird/%d.0", v, v))
	}
	a.relay = a.add("Mozilla/5.0", schemas.MachineMachine, "apple_mail_privacy_protection")
	a.gmail = a.add("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", schemas.MachineProxy, "google_image_proxy")
	a.yahoo = a.add("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", schemas.MachineProxy, "yahoo_mail_proxy")
	for _, text := range []string{
		"Mozilla/5.0 (compatible; Barracuda Sentinel/1.0)", "python-requests/2.32.3", "Go-http-client/1.1",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0.0.0 Safari/537.36",
	} {
		a.scanners = append(a.scanners, a.add(text, schemas.MachineMachine, "scanner"))
	}
	return a
}

func (a *agents) add(text string, machine schemas.Machine, reasons ...string) uint16 {
	a.all = append(a.all, agent{text, client.Parse(text), machine, reasons})
	return uint16(len(a.all) - 1)
}

// own draws the phone or the computer of a person, the same again and again.
func (a *agents) own(p *person, r uint64) uint16 {
	// Nearly everybody reads on the same one or two.
	which := p.hash>>8 + r%2
	switch {
	case p.box.corporate && r%10 < 7:
		return a.corporate[which%uint64(len(a.corporate))]
	case p.hash>>40%100 < 62 != (r%16 == 0):
		return a.phones[zipfish(which, len(a.phones))]
	}
	return a.desktops[zipfish(which, len(a.desktops))]
}

// zipfish draws from n by a hash, the last ones far more often: versions that
// are new.
func zipfish(hash uint64, n int) int {
	u := float64(mix(hash)>>11) / (1 << 53)
	return n - 1 - int(float64(n)*u*u)
}
