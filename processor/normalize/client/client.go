// Package client tells what a person reads mail with: the mail client or
// browser, its operating system and the kind of device, from a user agent, and
// brings the words of all providers for these into one vocabulary.
//
// Mail clients are told by a table of this package, which knows what opens mail;
// all others by a library of browsers.
package client

import (
	"strings"

	useragent "github.com/medama-io/go-useragent"
	"github.com/medama-io/go-useragent/agents"
)

// Version is the version of what Parse, Device and OS return, the library's
// tables included. It grows when a user agent is read differently than before,
// an update of the library being such a change.
const Version = 1

// Devices.
const (
	Desktop = "desktop"
	Mobile  = "mobile"
	Tablet  = "tablet"
	TV      = "tv"
	Webmail = "webmail" // in a browser, of whatever device
	Other   = "other"
)

// Operating systems that mail clients of the table run on.
const (
	Windows = "Windows"
	MacOS   = "macOS"
	IOS     = "iOS"
	Android = "Android"
	Linux   = "Linux"
)

// Client is what a user agent tells; a field that it leaves open is empty.
type Client struct {
	Name   string // such as Outlook, Apple Mail, Chrome
	OS     string // family, such as Windows, macOS, iOS
	Device string // one of the constants
}

// maxAgent bounds, in bytes, how much of a user agent is looked at.
const maxAgent = 1024

// parser is the library's. It is made once, holds some 5 MiB and is safe for
// concurrent use.
var parser = useragent.NewParser()

// Parse reads a user agent. It depends on nothing else, and the strings that it
// returns do not share memory with it.
func Parse(agent string) Client {
	agent = strings.TrimSpace(agent[:min(len(agent), maxAgent)])
	if agent == "" {
		return Client{}
	}
	mail, found := mailClient(agent)
	if found && mail.imageProxy {
		return Client{Name: mail.name} // the rest of the agent is made up
	}
	c := browser(agent)
	if c.OS == "" {
		c.OS = systemIn(agent)
	}
	switch {
	case found:
		c.Name = mail.name
		c.OS, c.Device = or(mail.os, c.OS), or(mail.device, c.Device)
	case appleMail(agent):
		c.Name = nameAppleMail
	case strings.Contains(agent, "; wv)"):
		c.Name = "Android WebView" // an app that shows HTML, mail clients among them
	case strings.HasPrefix(agent, "Dalvik/"):
		c.Name = "" // an app that fetches, and does not say which
	}
	if c.Device == "" {
		c.Device = deviceOf(c.OS)
	}
	if c.OS == IOS && strings.Contains(strings.ToLower(agent), "ipad") {
		c.Device = Tablet
	}
	return c
}

// browser reads what the library knows.
func browser(agent string) Client {
	ua := parser.Parse(agent)
	c := Client{Name: string(ua.Browser()), OS: string(ua.OS())}
	switch ua.OS() {
	case agents.OSMacOS:
		c.OS = MacOS
	case agents.OSAndroid:
		// Tablets are those that leave out the word Mobile.
		c.Device = Mobile
		if strings.HasPrefix(agent, "Mozilla/") && !strings.Contains(agent, "Mobile") {
			c.Device = Tablet
		}
	}
	switch ua.Device() {
	case agents.DeviceDesktop:
		c.Device = Desktop
	case agents.DeviceMobile:
		c.Device = or(c.Device, Mobile)
	case agents.DeviceTablet:
		c.Device = Tablet
	case agents.DeviceTV:
		c.Device = TV
	case agents.DeviceBot:
		c.Device = ""
	}
	return c
}

// systemIn finds the name of an operating system in a user agent that is not like
// a browser's.
func systemIn(agent string) string {
	lower := strings.ToLower(agent)
	for _, system := range [...]struct{ word, name string }{
		{"iphone", IOS}, {"ipad", IOS}, {"android", Android}, {"windows", Windows}, {"mac os x", MacOS}, {"macintosh", MacOS}, {"linux", Linux},
	} {
		if strings.Contains(lower, system.word) {
			return system.name
		}
	}
	return ""
}

// deviceOf is the device that an operating system suggests.
func deviceOf(system string) string {
	switch system {
	case Windows, MacOS, Linux:
		return Desktop
	case IOS, Android:
		return Mobile
	}
	return ""
}

const nameAppleMail = "Apple Mail"

// appleMail tells whether it is Apple Mail: its privacy protection, which says no
// more than Mozilla/5.0, or WebKit on Apple's systems with no browser around it.
func appleMail(agent string) bool {
	if agent == "Mozilla/5.0" {
		return true
	}
	rest, found := strings.CutPrefix(agent, "Mozilla/5.0 (")
	if !found {
		return false
	}
	system, rest, _ := strings.Cut(rest, ") AppleWebKit/")
	_, rest, found = strings.Cut(rest, " (KHTML, like Gecko)")
	if !found {
		return false
	}
	switch system, _, _ = strings.Cut(system, ";"); system {
	case "Macintosh":
		return rest == ""
	case "iPhone", "iPad", "iPod", "iPod touch":
		build, found := strings.CutPrefix(rest, " Mobile/")
		return found && !strings.Contains(build, " ")
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
