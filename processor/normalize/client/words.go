package client

import "strings"

// Device brings what a provider calls a device into this package's words: those
// that it does not know are Other, "unknown" and the like are empty.
func Device(said string) string {
	switch said = strings.TrimSpace(said); said {
	case "", Desktop, Mobile, Tablet, TV, Webmail, Other:
		return said
	}
	switch strings.ToLower(said) {
	case "unknown", "n/a", "none", "null", "-":
		return ""
	case Desktop, "computer", "pc", "mac", "laptop", "personal computer":
		return Desktop
	case Mobile, "phone", "smartphone", "mobile phone", "iphone", "android", "feature phone", "phablet":
		return Mobile
	case Tablet, "ipad":
		return Tablet
	case TV, "smart tv", "smarttv", "television":
		return TV
	case Webmail, "web", "browser":
		return Webmail
	}
	return Other
}

// OS brings what a provider calls an operating system into its family's name.
// One that is not known stays as it is, "unknown" and the like are empty.
func OS(said string) string {
	said = strings.TrimSpace(said)
	for _, f := range families {
		if len(said) >= len(f.word) && strings.EqualFold(said[:len(f.word)], f.word) {
			return f.name
		}
	}
	return said
}

// families are operating systems by how their names begin; the longer ones first.
var families = []struct{ word, name string }{
	{"unknown", ""}, {"other", ""},
	{"windows phone", "Windows Phone"}, {"windows mobile", "Windows Phone"}, {"windows", Windows},
	{"mac", MacOS}, {"os x", MacOS}, {"osx", MacOS},
	{"ios", IOS}, {"iphone", IOS}, {"ipad", IOS},
	{"android", Android},
	{"chrome os", "ChromeOS"}, {"chromeos", "ChromeOS"}, {"chromium os", "ChromeOS"},
	{"linux", Linux}, {"ubuntu", Linux}, {"debian", Linux}, {"fedora", Linux}, {"gnu/linux", Linux},
}

// Name brings a few names that providers give to mail clients into those that
// Parse gives; others stay as they are.
func Name(said string) string {
	said = strings.TrimSpace(said)
	switch strings.ToLower(said) {
	case "unknown", "other":
		return ""
	case "gmailimageproxy", "gmail image proxy", "googleimageproxy", "google image proxy":
		return "Gmail image proxy"
	case "yahoomailproxy", "yahoo mail proxy":
		return "Yahoo Mail image proxy"
	case "outlook-ios", "outlook-android", "macoutlook", "microsoft outlook":
		return nameOutlook
	case "apple-mail":
		return nameAppleMail
	case "lotus notes":
		return nameNotes
	}
	return said
}
