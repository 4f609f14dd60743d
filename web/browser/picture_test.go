package browser

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"flowd/flow"
	"flowd/loadtest/demo"
)

// pictured is the hour of the picture's clock: Mon 23 Nov 2026, 12:00 UTC.
const pictured = 498_732

// pictureWidth and pictureHeight are how large it is, in pixels.
const pictureWidth, pictureHeight = 1280, 1140

// rowsOf are flows as they are posted.
func rowsOf(flows []flow.Flow) []row {
	rows := make([]row, len(flows))
	for i, f := range flows {
		rows[i] = row{f.SrcApp, f.DestApp, f.VPCID, f.BytesTx, f.BytesRx, int(f.Hour)}
	}
	return rows
}

// The picture of the README is one of the page as it is: of four days of the demo's traffic, so that there are more hours
// than bars, while the last of them still runs. It is written to the file that FLOWD_PICTURE names, as make picture does;
// elsewhere it is taken and thrown away, so that it can be taken when somebody wants to.
func TestPicture(t *testing.T) {
	file, live := os.Getenv("FLOWD_PICTURE"), 5*time.Second
	if file != "" {
		live = time.Minute // for a line of the rate that is worth looking at
	}
	s := start(t, needPage(t))
	traffic := demo.New(demo.Options{Seed: 1, LastHour: pictured})
	for h := flow.Hour(pictured - 95); h < pictured; h++ {
		s.post(rowsOf(traffic.Flows(nil, h))...)
	}
	sofar := traffic.Flows(nil, pictured)
	for i, f := range sofar { // as if 24 minutes of it were over
		f.BytesTx, f.BytesRx = f.BytesTx*2/5, f.BytesRx*2/5
		sofar[i] = f
	}
	s.post(rowsOf(sofar)...)

	b := s.openAt(fmt.Sprintf("/#hour=%d", traffic.Incident()), pictured)
	b.do(chromedp.EmulateViewport(pictureWidth, pictureHeight))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: "light"}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.texts("hour-name", "Mon 23 Nov 2026, 00:00 UTC")
	flows := traffic.Live(440)
	tick := time.NewTicker(demo.Tick)
	defer tick.Stop()
	for end := time.After(live); ; {
		select {
		case <-tick.C:
			s.post(rowsOf(flows.Next(nil, pictured))...)
			continue
		case <-end:
		}
		break
	}
	b.until(`/^[1-9]\d+ flows/.test(testing.text("rate"))`)
	for _, panel := range []string{"talkers", "series", "map-compact"} {
		b.until(`testing.part("` + panel + `").ariaBusy === "false" && testing.part("` + panel + `-stale") === null`)
	}
	b.until(`testing.part("map-compact").querySelector("canvas") && testing.part("series").querySelector("canvas")`)
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.DecodeConfig(bytes.NewReader(shot))
	if err != nil || picture.Width != pictureWidth || picture.Height != pictureHeight {
		t.Fatalf("the picture is of %dx%d, %v", picture.Width, picture.Height, err)
	}
	if file == "" {
		return
	}
	if err := os.WriteFile(file, shot, 0o644); err != nil {
		t.Fatal(err)
	}
}
