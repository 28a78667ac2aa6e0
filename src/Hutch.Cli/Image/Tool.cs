using System;
using System.Text;
using Hutch.Block.Formats;
using Hutch.Host.Events;

namespace Hutch.Cli.Image;

/// <summary>
/// What the image tools say, and under which name. Standard output is collected as the C library collects it, so that the two streams come in the same
/// order as with the tools that scripts know.
/// </summary>
internal sealed class Tool(string name)
{
    private const int BufferBytes = 4096;

    private readonly object _gate = new();
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly bool _isTerminal = !Console.IsOutputRedirected;
    private int _used;

    /// <summary>The name that messages begin with.</summary>
    internal string Name => name;

    /// <summary>Called as the tool whose place it takes: what that one does not say is not said.</summary>
    internal bool IsDropIn => name.StartsWith("qemu-", StringComparison.Ordinal);

    /// <summary>Writes text to standard output.</summary>
    internal void Write(string text)
    {
        lock (_gate)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            if (bytes.Length > BufferBytes - _used) Flush();
            if (bytes.Length > BufferBytes) StandardOutput.Write(bytes);
            else
            {
                bytes.CopyTo(_buffer, _used);
                _used += bytes.Length;
            }
            if (_isTerminal) Flush();
        }
    }

    /// <summary>Writes a line to standard output.</summary>
    internal void WriteLine(string text) => Write(text + "\n");

    /// <summary>Hands over what was collected.</summary>
    internal void Flush()
    {
        lock (_gate)
        {
            if (_used > 0) StandardOutput.Write(_buffer.AsSpan(0, _used));
            _used = 0;
        }
    }

    /// <summary>Writes to standard error as it is.</summary>
    internal void Say(string text) => StandardError.Write(Encoding.UTF8.GetBytes(text));

    /// <summary>Says what is wrong.</summary>
    internal void Error(string text) => Say($"{name}: {text}\n");

    /// <summary>Says what is wrong with an image or an option, with <paramref name="prefix"/> in front.</summary>
    internal void Error(ImageException error, string prefix = "")
    {
        if (error.Before is string before) Error(before);
        Error(prefix + error.Message);
        // Commands in hints are this tool's.
        if (error.Hint?.Replace("qemu-img ", $"{name} ", StringComparison.Ordinal) is string hint) Say(hint.EndsWith('.') && hint.StartsWith("Detected format", StringComparison.Ordinal) ? hint : hint + "\n");
        if (error.Remark is string remark && !IsDropIn) Say(remark + "\n");
    }

    /// <summary>Says what may be wrong.</summary>
    internal void Warn(string text) => Say($"{name}: warning: {text}\n");

    /// <summary>Ends the command for a mistake on the command line.</summary>
    internal UsageException Usage(string text) => new($"{text}\nTry '{name} --help' for more information");
}
