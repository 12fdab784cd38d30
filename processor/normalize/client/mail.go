package client

import "strings"

// mailWord is a word of a user agent, in lower case, that names a mail client.
type mailWord struct {
	word, name, os, device string
	imageProxy             bool
}

// mailWords are the mail clients by the first letter of their word. Of several in
// a user agent the one that stands first here counts.
var mailWords = byLetter([]mailWord{
	{word: "googleimageproxy", name: "Gmail image proxy", imageProxy: true},
	{word: "ggpht.com", name: "Gmail image proxy", imageProxy: true},
	{word: "yahoomailproxy", name: "Yahoo Mail image proxy", imageProxy: true},
	{word: "outlook-ios", name: nameOutlook, os: IOS, device: Mobile},
	{word: "outlook-android", name: nameOutlook, os: Android, device: Mobile},
	{word: "macoutlook", name: nameOutlook, os: MacOS, device: Desktop},
	{word: "oneoutlook", name: nameOutlook, device: Desktop},
	{word: "outlook-express", name: "Windows Live Mail", os: Windows, device: Desktop},
	{word: "windows live mail", name: "Windows Live Mail", os: Windows, device: Desktop},
	{word: "microsoft outlook", name: nameOutlook, device: Desktop},
	{word: "ms-office", name: nameOutlook, device: Desktop},
	{word: "msoffice", name: nameOutlook, device: Desktop},
	{word: "thunderbird", name: "Thunderbird"},
	{word: "icedove", name: "Thunderbird"},
	{word: "betterbird", name: "Betterbird"},
	{word: "postbox", name: "Postbox"},
	{word: "seamonkey", name: "SeaMonkey"},
	{word: "apple-mail", name: nameAppleMail},
	{word: "applemail", name: nameAppleMail},
	{word: "airmail", name: "Airmail", os: MacOS},
	{word: "sparrow", name: "Sparrow", os: MacOS},
	{word: "lotus-notes", name: nameNotes, device: Desktop},
	{word: "lotus notes", name: nameNotes, device: Desktop},
	{word: "hcl notes", name: nameNotes, device: Desktop},
	{word: "em client", name: "eM Client", device: Desktop},
	{word: "emclient", name: "eM Client", device: Desktop},
	{word: "the bat!", name: "The Bat!", os: Windows, device: Desktop},
	{word: "foxmail", name: "Foxmail", device: Desktop},
	{word: "mailbird", name: "Mailbird", device: Desktop},
	{word: "kmail", name: "KMail", os: Linux, device: Desktop},
	{word: "kontact", name: "KMail", os: Linux, device: Desktop},
	{word: "evolution", name: "Evolution", os: Linux, device: Desktop},
	{word: "com.samsung.android.email", name: nameSamsung, os: Android, device: Mobile},
	{word: "samsungemail", name: nameSamsung, os: Android, device: Mobile},
	{word: "com.google.android.gm", name: "Gmail", os: Android, device: Mobile},
	{word: "yahoomobilemail", name: nameYahoo, device: Mobile},
	{word: "yahoomobile", name: nameYahoo, device: Mobile},
	{word: "k-9 mail", name: "K-9 Mail", os: Android, device: Mobile},
	{word: "fairemail", name: "FairEmail", os: Android, device: Mobile},
	{word: "aquamail", name: "Aqua Mail", os: Android, device: Mobile},
	{word: "bluemail", name: "BlueMail"},
	{word: "zimbra", name: "Zimbra"},
})

// Names that several words stand for.
const (
	nameOutlook = "Outlook"
	nameNotes   = "HCL Notes"
	nameSamsung = "Samsung Email"
	nameYahoo   = "Yahoo Mail"
)

// rankedWord is a word with its place in the table.
type rankedWord struct {
	mailWord
	rank int
}

func byLetter(words []mailWord) (letters [26][]rankedWord) {
	for rank, w := range words {
		at := w.word[0] - 'a'
		letters[at] = append(letters[at], rankedWord{w, rank})
	}
	return letters
}

// mailClient finds the mail client that a user agent names.
func mailClient(agent string) (*mailWord, bool) {
	var found *rankedWord
	previous := byte(0)
	for i := range len(agent) {
		c := agent[i] | 0x20
		if c-'a' < 26 && previous-'a' >= 26 {
			words := mailWords[c-'a']
			for j := range words {
				w := &words[j]
				if (found == nil || w.rank < found.rank) && begins(agent[i:], w.word) {
					found = w
				}
			}
		}
		previous = c
	}
	if found == nil {
		return nil, false
	}
	return &found.mailWord, true
}

// begins tells whether s begins with a word, which is in lower case, and no letter
// follows.
func begins(s, word string) bool {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return false
	}
	return len(s) == len(word) || (s[len(word)]|0x20)-'a' >= 26
}
