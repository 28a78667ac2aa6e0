using System;

namespace Hutch.Cli.Image.Io;

/// <summary>A command's arguments are no such: its line of help is printed.</summary>
internal sealed class IoArgumentException : Exception;
