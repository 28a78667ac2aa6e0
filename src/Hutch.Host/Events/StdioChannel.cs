using System;

namespace Hutch.Host.Events;

/// <summary>
/// Standard input and output as a channel. When standard input is a terminal it is put into raw mode and the escape
/// character leaves; otherwise every byte passes unchanged and the end of input only ends the input.
/// </summary>
public sealed class StdioChannel : IPatientChannel
{
    /// <summary>Ctrl-], which leaves the console.</summary>
    public const byte EscapeByte = 0x1d;

    private const int StandardInput = 0, StandardOutput = 1, StandardError = 2;

    private readonly Action _leave;
    private readonly RawTerminal? _terminal;
    private readonly OutputPump _output;
    private InputPump? _input;
    private bool _disposed;

    /// <summary>Takes over standard input and output.</summary>
    /// <param name="leave">Called once, on the input thread, when the user typed the escape character.</param>
    public StdioChannel(Action leave)
    {
        _leave = leave;
        _terminal = RawTerminal.Enter(StandardInput);
        _output = new OutputPump("stdout", static (data, patience) => OpenFile.WriteAll(StandardOutput, data, patience));
        if (_terminal is not null)
            OpenFile.WriteAll(StandardError, "hutch: The console is on this terminal; press Ctrl-] to leave.\r\n"u8, 100);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) => _output.Write(data);

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) =>
        _input ??= new InputPump("stdin", StandardInput, receive, _terminal is null ? null : Filter, alwaysRead: _terminal is not null);

    /// <inheritdoc/>
    public void ResumeInput() => _input?.Resume();

    /// <inheritdoc/>
    public void LosePatience() => _output.LosePatience();

    /// <summary>Ends the input, flushes the output and gives the terminal its mode back. May be called again.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _input?.Dispose();
        _output.Dispose();
        _terminal?.Dispose();
    }

    private int Filter(Span<byte> data)
    {
        int escape = data.IndexOf(EscapeByte);
        if (escape < 0) return data.Length;
        _leave();
        return escape;
    }
}
