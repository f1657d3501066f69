// Package serving is what the servers of this project have in common: addresses to listen on, with errors that say what helps, and pages
// over HTTP that only programs of this machine can reach.
//
// # First use
//
//	listener, err := serving.Listen("127.0.0.1:0") // *ListenError
//	...
//	page, err := serving.OpenPage("127.0.0.1:0", handler) // ErrNotLoopback, *ListenError
//	defer page.Close()
//	fmt.Println(page.URL())
package serving
