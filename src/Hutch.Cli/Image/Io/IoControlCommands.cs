using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using Hutch.Block;
using Hutch.Block.Graph;
using Hutch.Block.Options;
using Hutch.Host.Events;

namespace Hutch.Cli.Image.Io;

/// <summary>Commands that open and close images, hold requests at events, and end the program in unusual ways.</summary>
internal sealed class IoControlCommands
{
    private const int PollMilliseconds = 1, Abort = 6;

    private readonly IoShell _shell;

    /// <summary>Makes the commands of a shell.</summary>
    internal IoControlCommands(IoShell shell)
    {
        _shell = shell;
        Commands =
        [
            new("open", "o", 1, -1, "[-rsnCkU] [-t cache] [-d discard] [-o options] [path]", "open the file specified by path", Open) { NeedsNoImage = true },
            new("close", "c", 0, 0, "", "close the current open file", Close) { NeedsNoImage = false },
            new("reopen", "", 0, -1, "[(-r|-w)] [-c cache] [-o options]", "reopens an image with new options", Reopen),
            new("break", "", 2, 2, "event tag", "sets a breakpoint on event and tags the stopped request as tag", Break),
            new("remove_break", "", 1, 1, "tag", "remove a breakpoint by tag", RemoveBreak),
            new("resume", "", 1, 1, "tag", "resumes the request tagged as tag", Resume),
            new("wait_break", "", 1, 1, "tag", "waits for the suspension of a request", WaitBreak),
            new("abort", "", 0, 0, "", "simulate a program crash using abort(3)", _ => Raise(Abort)) { NeedsNoImage = true },
            new("sleep", "", 1, 1, "", "waits for the given value in milliseconds", Sleep) { NeedsNoImage = true },
            new("sigraise", "", 1, 1, "signal", "raises a signal", SigRaise) { NeedsNoImage = true },
        ];
    }

    /// <summary>The commands.</summary>
    internal IReadOnlyList<IoCommand> Commands { get; }

    private Tool Tool => _shell.Tool;

    private bool Open(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "snCro:ki:t:d:U");
        IoOpening how = _shell.How with { CopiesOnRead = arguments.Has('C'), IsReadOnly = arguments.Has('r'), IsTemporary = arguments.Has('s') };
        if (arguments.Has('n')) how.Cache = CacheMode.None;
        if (arguments.Value('t') is string cache) how.Cache = ImageArguments.CacheOf(cache);
        if (arguments.Value('d') is string discard) how.Unmap = discard is "unmap" or "on";
        if (arguments.Operands.Count > 1) throw new IoArgumentException();
        Dictionary<string, string>? options = null;
        if (arguments.Value('o') is string list)
        {
            options = [];
            foreach ((string key, string value) in OptionList.Parse(list)) options[key] = value;
        }
        string? name = arguments.Operands.Count == 1 ? arguments.Operands[0] : null;
        BlockOpenRequest request = _shell.Request(name ?? "", how, options);
        if (name is null && options is not null) request = request with { Filename = "" };
        return _shell.Open(name, arguments.Has('U') ? request with { ForceShare = true } : request);
    }

    private bool Close(IReadOnlyList<string> words)
    {
        _shell.Close();
        return true;
    }

    private bool Reopen(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "c:o:rw");
        if (arguments.Operands.Count > 0) throw new IoArgumentException();
        if (arguments.Has('r') && arguments.Has('w'))
        {
            Tool.Error("Only one -r/-w option can be given");
            return false;
        }
        CacheMode? cache = arguments.Value('c') is string mode ? ImageArguments.CacheOf(mode) : null;
        Dictionary<string, string> options = [];
        foreach ((string key, string value) in arguments.Value('o') is string list ? OptionList.Parse(list) : []) options[key] = value;
        Hutch.Block.Formats.ImageFormat format = _shell.Image!.Format;
        return _shell.Reopen(before => before with
        {
            Options = format.JoinOptions(before.Options, options),
            ReadOnly = arguments.Has('r') || (!arguments.Has('w') && before.ReadOnly),
            Cache = cache ?? before.Cache,
        });
    }

    private bool Break(IReadOnlyList<string> words)
    {
        if (BlockGraph.AddBreakpoint(_shell.Image!, words[0], words[1])) return true;
        Tool.WriteLine("Could not set a breakpoint: Operation not supported");
        return false;
    }

    private bool RemoveBreak(IReadOnlyList<string> words)
    {
        if (BlockGraph.RemoveBreakpoint(_shell.Image!, words[0])) return true;
        Tool.WriteLine($"Could not remove breakpoint {words[0]}: No such file or directory");
        return false;
    }

    private bool Resume(IReadOnlyList<string> words)
    {
        if (BlockGraph.ResumeRequest(_shell.Image!, words[0])) return true;
        Tool.WriteLine("Could not resume request: No such file or directory");
        return false;
    }

    private bool WaitBreak(IReadOnlyList<string> words)
    {
        while (!BlockGraph.IsRequestSuspended(_shell.Image!, words[0])) Pause(PollMilliseconds);
        return true;
    }

    private bool Sleep(IReadOnlyList<string> words)
    {
        if (!int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out int milliseconds)) throw new UsageException($"Invalid sleep time: {words[0]}");
        Pause(milliseconds);
        return true;
    }

    private bool SigRaise(IReadOnlyList<string> words)
    {
        if (!int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out int signal)) throw new UsageException($"invalid signal number: {words[0]}");
        return Raise(signal);
    }

    private bool Raise(int signal)
    {
        // What an aborted program had collected is lost; what was killed had been handed over.
        if (signal != Abort) Tool.Flush();
        ProcessSignal.Raise(signal);
        return true;
    }

    private static void Pause(int milliseconds)
    {
        using ManualResetEventSlim never = new();
        never.Wait(milliseconds);
    }
}
