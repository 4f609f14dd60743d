// Package flowd is the root of the program, and holds no code: the server is cmd/flowd, the load
// generator cmd/flowload. Its test holds the shape of the program: which package may import
// which, and how long files and functions may be.
package flowd
