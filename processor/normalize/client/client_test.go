package client

import (
	"fmt"
	"strings"
	"testing"
)

// agentCases are user agents as providers report them.
var agentCases = []struct{ agent, want string }{
	{"", "||"},
	{"Mozilla/5.0", "Apple Mail||"},
	{"Mozilla/5.0 ...", "||"},
	{"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "Gmail image proxy||"},
	{"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "Yahoo Mail image proxy||"},
	{"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)", "Outlook|Windows|desktop"},
	{"Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; Microsoft Outlook 16.0.4266; ms-office; MSOffice 16)", "Outlook|Windows|desktop"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36 OneOutlook/1.2023.1214.201", "Outlook|Windows|desktop"},
	{"Outlook-iOS/709.2226530.prod.iphone (3.24.1)", "Outlook|iOS|mobile"},
	{"Outlook-iOS/709.2226530.prod.ipad (3.24.1)", "Outlook|iOS|tablet"},
	{"Outlook-Android/2.0", "Outlook|Android|mobile"},
	{"MacOutlook/16.35.20030802 (Intelx64 Mac OS X Version 10.15.4 (Build 19E266))", "Outlook|macOS|desktop"},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", "Apple Mail|macOS|desktop"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X) AppleWebKit/603.3.8 (KHTML, like Gecko) Mobile/14G60", "Apple Mail|iOS|mobile"},
	{"Mozilla/5.0 (iPad; CPU OS 13_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "Apple Mail|iOS|tablet"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 16_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/246.0.500000000 Mobile/15E148 Safari/604.1", "Safari|iOS|mobile"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 7_1_2 like Mac OS X) AppleWebKit/537.51.2 (KHTML, like Gecko) Version/7.0 Mobile/11D257 Safari/9537.53", "Safari|iOS|mobile"},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.1 Safari/605.1.15", "Safari|macOS|desktop"},
	{"Mozilla/5.0 (X11; Linux x86_64; rv:68.0) Gecko/20100101 Thunderbird/68.5.0", "Thunderbird|Linux|desktop"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:102.0) Gecko/20100101 Thunderbird/102.6.1 Lightning/102", "Thunderbird|Windows|desktop"},
	{"Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; en-US; rv:1.9.1.8) Gecko/20100317 Postbox/1.1.3", "Postbox|macOS|desktop"},
	{"com.samsung.android.email.provider/6.1.74.0", "Samsung Email|Android|mobile"},
	{"Mozilla/5.0 (Linux; Android 13; SM-S918B Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/110.0.5481.65 Mobile Safari/537.36", "Android WebView|Android|mobile"},
	{"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/20.0 Chrome/106.0.5249.126 Mobile Safari/537.36", "Samsung Browser|Android|mobile"},
	{"Mozilla/5.0 (Linux; Android 12; SM-T870) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.0.0 Safari/537.36", "Chrome|Android|tablet"},
	{"Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F Build/PPR1.180610.011)", "|Android|mobile"},
	{"Mozilla/5.0 (Linux; U; Android 4.1.2; en-gb; GT-I9100 Build/JZO54K) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30", "Android Browser|Android|mobile"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36", "Chrome|Windows|desktop"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0", "Edge|Windows|desktop"},
	{"Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322; .NET CLR 2.0.50727)", "IE|Windows|desktop"},
	{"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0", "Firefox|Windows|desktop"},
	{"Lotus-Notes/6.0 (Windows-NT)", "HCL Notes|Windows|desktop"},
	{"Outlook-Express/7.0 (MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0)", "Windows Live Mail|Windows|desktop"},
	{"eM Client/9.2.1157.0", "eM Client||desktop"},
	{"The Bat! 9.2", "The Bat!|Windows|desktop"},
	{"YahooMobileMail/1.0 (Android Mail; 7.6) (hammerhead; Android 8.1)", "Yahoo Mail|Android|mobile"},
	{"curl/8.0", "||"},
	{"python-requests/2.32", "||"},
	{"AnyCompany Feedback Loop (V0.01)", "||"},
	{"Kmailer news", "||"},
	{"\xff\xfe\x00 (", "||"},
}

func TestParse(t *testing.T) {
	cache := NewCache()
	for range 2 {
		for _, tt := range agentCases {
			c := Parse(tt.agent)
			if got := c.Name + "|" + c.OS + "|" + c.Device; got != tt.want {
				t.Errorf("%q\n got %s\nwant %s", tt.agent, got, tt.want)
			}
			if cached := cache.Parse(tt.agent); cached != c {
				t.Errorf("%q: %+v out of the cache, want %+v", tt.agent, cached, c)
			}
		}
	}
}

// However many different user agents come, a cache stays small and right.
func TestCacheIsBounded(t *testing.T) {
	cache := NewCache()
	for i := range 10 * cacheSize {
		if c := cache.Parse(fmt.Sprintf("Thunderbird/%d", i)); c.Name != "Thunderbird" {
			t.Fatal(c)
		}
	}
	if n := cache.lru.Len(); n != cacheSize {
		t.Errorf("%d kept, want %d", n, cacheSize)
	}
	long := "Thunderbird " + strings.Repeat("x", maxAgent)
	if c := cache.Parse(long); c.Name != "Thunderbird" || cache.lru.Contains(long) {
		t.Errorf("%+v of a long one, kept: %t", c, cache.lru.Contains(long))
	}
}

func TestWords(t *testing.T) {
	for said, want := range map[string]string{
		"": "", "desktop": Desktop, "DESKTOP": Desktop, " Mobile ": Mobile, "iPad": Tablet, "WebMail": Webmail,
		"Unknown": "", "fridge": Other, "other": Other, "smartphone": Mobile,
	} {
		if got := Device(said); got != want {
			t.Errorf("device %q: got %q, want %q", said, got, want)
		}
	}
	for said, want := range map[string]string{
		"": "", "OS X 10.6 Snow Leopard": MacOS, "Mac OS X": MacOS, "Windows 7": Windows, "Windows Phone 8": "Windows Phone",
		"iOS 17": IOS, "Android 13": Android, "Ubuntu": Linux, "unknown": "", "Other": "", "Haiku": "Haiku",
	} {
		if got := OS(said); got != want {
			t.Errorf("operating system %q: got %q, want %q", said, got, want)
		}
	}
	for said, want := range map[string]string{
		"": "", "GmailImageProxy": "Gmail image proxy", "Chrome Mobile": "Chrome Mobile", "unknown": "", "Outlook-iOS": "Outlook",
	} {
		if got := Name(said); got != want {
			t.Errorf("client %q: got %q, want %q", said, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range agentCases {
		f.Add(tt.agent)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		c := Parse(agent)
		if c.Device != Device(c.Device) || c.Device == Other {
			t.Errorf("%q: device %q", agent, c.Device)
		}
		if again := Parse(strings.Clone(agent)); again != c {
			t.Errorf("%q: %+v, then %+v", agent, c, again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			Parse(agentCases[i%len(agentCases)].agent)
		}
	})
	b.Run("hit", func(b *testing.B) {
		cache := NewCache()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			cache.Parse(agentCases[i%len(agentCases)].agent)
		}
	})
}
