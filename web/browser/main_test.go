package browser

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"flowd/web"
)

// TestMain ends the browser, if a test has started it, and then looks for what was left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	browser.stop()
	// fasthttp keeps one clock for the process, and lets what tidies up its workers sleep on for
	// some seconds after a server has stopped.
	err := goleak.Find(
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// browser is the one that all tests share. Each has a profile of its own in it.
var browser chromium

// chromium is a browser without a window.
type chromium struct {
	once sync.Once
	ctx  context.Context
	end  []context.CancelFunc
	dir  string
	err  error
}

// start starts the browser if no test has before.
func (c *chromium) start() error {
	c.once.Do(func() {
		program, err := find()
		if err != nil {
			c.err = err
			return
		}
		if c.dir, c.err = os.MkdirTemp("", "flowd-browser-"); c.err != nil {
			return
		}
		ctx, end := chromedp.NewExecAllocator(context.Background(),
			chromedp.ExecPath(program), chromedp.UserDataDir(c.dir), chromedp.WindowSize(1280, 900),
			chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
			// It shows nothing but the page that is tested, and its sandbox does not start as root.
			chromedp.NoSandbox,
			chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-sync", true),
			chromedp.Flag("disable-dev-shm-usage", true), // that of a container may be too small
		)
		c.end = append(c.end, end)
		c.ctx, end = chromedp.NewContext(ctx)
		c.end = append(c.end, end)
		c.err = chromedp.Do(c.ctx)
	})
	return c.err
}

func (c *chromium) stop() {
	for i := len(c.end) - 1; i >= 0; i-- {
		c.end[i]()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

// find returns the browser of this machine.
func find() (program string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if program, err = exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", fmt.Errorf("there is no chromium: %w", err)
}

// needPage returns the page, or leaves the test out if it is not built.
func needPage(t *testing.T) fs.FS {
	t.Helper()
	page, built := web.Page()
	if !built {
		leaveOut(t, "the page is not built; make page builds it")
	}
	return page
}

// needBrowser leaves the test out if this machine has no browser.
func needBrowser(t *testing.T) {
	t.Helper()
	if _, err := find(); err != nil {
		leaveOut(t, err.Error())
	}
	if err := browser.start(); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
}

// leaveOut skips a test, but not where everything must be tested.
func leaveOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s; with CI=true no test is left out", why)
	}
	t.Skip(why)
}
