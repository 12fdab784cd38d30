package simulate

// mailbox is a provider of mailboxes: how many recipients it has and how they
// behave.
type mailbox struct {
	domain   string
	share    float64 // of recipients
	open     float64 // chance that a human opens
	prefetch float64 // chance that a privacy proxy fetches the images unseen
	scan     float64 // chance that a security scanner follows the links
	proxy    float64 // chance that a human open comes through an image proxy
}

var mailboxes = []mailbox{
	{"gmail.example", 0.42, 0.36, 0.03, 0, 0.75},
	{"outlook.example", 0.14, 0.30, 0.02, 0.004, 0},
	{"icloud.example", 0.11, 0.30, 0.62, 0, 0},
	{"yahoo.example", 0.09, 0.34, 0.03, 0, 0.20},
	{"orange.example", 0.05, 0.38, 0.02, 0, 0},
	{"gmx.example", 0.05, 0.33, 0.02, 0, 0},
	{"mail.example", 0.04, 0.28, 0.02, 0, 0},
	{"acme.example", 0.04, 0.40, 0.02, 0.06, 0},
	{"contoso.example", 0.03, 0.40, 0.02, 0.09, 0},
	{"example.com", 0.02, 0.35, 0.02, 0.05, 0},
	{"example.org", 0.01, 0.35, 0.02, 0.03, 0},
}

var firstNames = []string{
	"anna", "ben", "carla", "david", "elena", "felix", "greta", "hugo", "ines", "jan", "karim", "lea", "marc", "nina",
	"oscar", "paula", "quentin", "rosa", "samuel", "tara", "ulla", "victor", "wanda", "xavier", "yara", "zoe",
}

var lastNames = []string{
	"martin", "schmidt", "garcia", "rossi", "novak", "jensen", "silva", "dubois", "keller", "moreau", "weber", "costa",
	"ricci", "larsen", "fischer", "lopez", "bernard", "romano", "vogel", "petit", "santos", "brandt", "laurent", "moser",
}

var campaignNames = []string{
	"autumn-sale", "newsletter-november", "win-back", "black-week-preview", "loyalty-points", "new-arrivals", "free-shipping", "product-news",
}

// The texts below go into JSON strings as they are: none needs escaping.

var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
	"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
	"Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Thunderbird/142.0",
	"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
}

const (
	// Apple Mail Privacy Protection fetches with this agent and no more.
	prefetchAgent = "Mozilla/5.0"
	// Gmail's image proxy acts when a human opens.
	proxyAgent = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)

var scanners = []string{
	"Mozilla/5.0 (compatible; Barracuda Sentinel; +https://scanner.example)",
	"python-requests/2.32.3",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0.0.0 Safari/537.36",
	"Go-http-client/1.1",
}

var links = []string{
	"https://shop.example.com/sale?utm_source=mail&utm_medium=email",
	"https://shop.example.com/new",
	"https://shop.example.com/p/4711-winter-boots?ref=hero",
	"https://shop.example.com/stores",
	"https://social.example.net/shop",
}

// country codes as the provider reports them; EU and null do occur.
var countries = []string{`"FR"`, `"FR"`, `"FR"`, `"DE"`, `"DE"`, `"GB"`, `"ES"`, `"IT"`, `"NL"`, `"US"`, `"US"`, `"EU"`, `null`}

var payloads = []string{
	`""`, `""`, `""`,
	`"{\"segment\":\"vip\",\"locale\":\"fr_FR\"}"`,
	`"{\"segment\":\"fidélité\",\"basket\":42.5}"`,
	`"plain text, not JSON"`,
}

// failure is the tail of a bounce or blocked event.
type failure struct {
	related, text, comment string
}

var hardFailures = []failure{
	{"recipient", "user unknown", "550 5.1.1 The email account that you tried to reach does not exist."},
	{"recipient", "user unknown", "550 5.1.1 <unknown>: Recipient address rejected: User unknown"},
	{"recipient", "mailbox inactive", "554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)."},
	{"domain", "invalid domain", "Host or domain name not found. Name service error for name=nowhere.example type=A: Host not found"},
	{"domain", "no mail host", "Domain has no mail exchanger"},
}

var softFailures = []failure{
	{"recipient", "quota exceeded", "552 5.2.2 The email account that you tried to reach is over quota."},
	{"spam", "content blocked", "550 5.7.1 This message has been blocked because it contains a forbidden URL"},
	{"policy issue", "", "550 5.7.1 Unauthenticated email is not accepted due to domain policy."},
	{"system", "system issue", "554 5.3.0 Internal error of the mail system"},
}

var greylisted = failure{"domain", "greylisted", "450 4.2.0 <recipient>: Recipient address rejected: Greylisted, please try again in 300 seconds"}

var blockedFailures = []failure{
	{"mailjet", "preblocked", ""},
	{"recipient", "blacklisted", ""},
	{"mailjet", "duplicate in campaign", ""},
	{"spam", "sender blocked", ""},
}
