using System;
using System.Text.Json;

namespace Hutch.Cli;

/// <summary>What hutch says to its user: lines on standard error, for standard output belongs to the guest.</summary>
internal static class Messages
{
    /// <summary>The last thing a failing run says.</summary>
    internal static void Error(string text, int status, bool json) => Write("error", text, json, $",\"status\":{status}");

    /// <summary>Something takes its time.</summary>
    internal static void Progress(string text, bool json) => Write("info", text, json, "");

    private static void Write(string level, string text, bool json, string more) =>
        Console.Error.WriteLine(json ? $"{{\"level\":\"{level}\",\"message\":\"{JsonEncodedText.Encode(text)}\"{more}}}" : $"hutch: {text}");
}
