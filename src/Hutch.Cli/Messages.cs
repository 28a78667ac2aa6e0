using System;
using System.Text.Json;

namespace Hutch.Cli;

/// <summary>What hutch says to its user: lines on standard error, for standard output belongs to the guest.</summary>
internal static class Messages
{
    /// <summary>The last thing a failing run says.</summary>
    internal static void Error(string text, bool json) => Write("error", text, json);

    /// <summary>Something takes its time.</summary>
    internal static void Progress(string text, bool json) => Write("progress", text, json);

    private static void Write(string kind, string text, bool json) =>
        Console.Error.WriteLine(json ? $"{{\"event\":\"{kind}\",\"message\":\"{JsonEncodedText.Encode(text)}\"}}" : $"hutch: {text}");
}
