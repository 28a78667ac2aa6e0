using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image.Io;

/// <summary>An open image, requests in flight, and the commands.</summary>
internal sealed class IoShell : IDisposable
{
    private readonly List<IoCommand> _commands;
    private readonly List<Task> _inFlight = [];
    private BlockOpenRequest? _request;

    /// <summary>Makes a shell without an image.</summary>
    internal IoShell(Tool tool, ImageArguments common, IoOpening how)
    {
        (Tool, Common, How) = (tool, common, how);
        _commands =
        [
            .. new IoTransfers(this).Commands, .. new IoImageCommands(this).Commands, .. new IoControlCommands(this).Commands,
            new("quit", "q", 0, 0, "", "ends the program", _ => IsDone = true) { NeedsNoImage = true },
            new("help", "?", 0, 1, "[command]", "lists the commands, or tells of one", ShowHelp) { NeedsNoImage = true },
        ];
    }

    /// <summary>Where output goes.</summary>
    internal Tool Tool { get; }

    /// <summary>Options of the tool.</summary>
    internal ImageArguments Common { get; }

    /// <summary>How images are opened.</summary>
    internal IoOpening How { get; }

    /// <summary>The image; null where none is open.</summary>
    internal ImageNode? Image { get; private set; }

    /// <summary>Nothing more is to be done.</summary>
    internal bool IsDone { get; private set; }

    /// <summary>Runs a line. False where it failed.</summary>
    internal bool Run(string line)
    {
        string[] words = line.Split((char[])[' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0) return true;
        IoCommand? command = _commands.Find(candidate => candidate.Name == words[0] || (candidate.Short == words[0] && words[0].Length > 0));
        if (command is null)
        {
            Tool.Say($"command \"{words[0]}\" not found\n");
            return false;
        }
        int count = words.Length - 1;
        if (Image is null && !command.NeedsNoImage)
        {
            Tool.Say("no file open, try 'help open'\n");
            return false;
        }
        if (count < command.Least || (command.Most >= 0 && count > command.Most))
        {
            string expected = command.Most < 0 ? $"at least {command.Least} arguments" : command.Most == command.Least ? $"{command.Least} arguments" : $"between {command.Least} and {command.Most} arguments";
            Tool.Say($"bad argument count {count} to {command.Name}, expected {expected}\n");
            return false;
        }
        if (command.Writes && Image!.Limits.IsReadOnly)
        {
            Tool.Error("Block node is read-only");
            return false;
        }
        try
        {
            return command.Run(words[1..]);
        }
        catch (UsageException e)
        {
            Tool.WriteLine(e.Message);
            return false;
        }
        catch (IoArgumentException)
        {
            Tool.WriteLine(command.Usage);
            return false;
        }
    }

    /// <summary>Opens an image. False, with an error said, where it cannot be.</summary>
    internal bool Open(string name) => Open(name, Request(name, How, null));

    /// <summary>As above, as asked for.</summary>
    internal bool Open(string? name, BlockOpenRequest request)
    {
        if (Image is not null)
        {
            Tool.Say("file open already, try 'help close'\n");
            return false;
        }
        try
        {
            Image = Blocking.Wait(BlockGraph.OpenAsync(request, default));
            _request = request;
            BlockGraph.ListenToBlkdebug(Image, text =>
            {
                Tool.WriteLine(text);
                Tool.Flush();
            });
            return true;
        }
        catch (ImageException e)
        {
            Tool.Error(e, name is null ? "can't open: " : $"can't open device {name}: ");
        }
        catch (Exception e) when (e is BlockIoException or DiskOpenException)
        {
            string text = e is BlockIoException io ? ErrorText.Of(io) : e.Message;
            Tool.Error(name is null ? $"can't open: {text}" : $"can't open device {name}: {text}");
        }
        return false;
    }

    /// <summary>A request by the options of the tool and of a command.</summary>
    internal BlockOpenRequest Request(string name, IoOpening how, IReadOnlyDictionary<string, string>? options)
    {
        BlockOpenRequest request = Common.Request(name, how.IsReadOnly) with
        {
            Cache = how.Cache, Aio = how.Aio, Unmap = how.Unmap, CopyOnRead = how.CopiesOnRead, IsTemporary = how.IsTemporary,
        };
        if (options is null) return request;
        Dictionary<string, string> all = new(request.Options, StringComparer.Ordinal);
        foreach ((string key, string value) in options) all[key] = value;
        // A driver that is said counts more than the tool's format.
        return request with { Options = all, Format = options.ContainsKey("driver") ? null : request.Format };
    }

    /// <summary>Opens the image again, with changes. False, with an error said, where it cannot be; it is open as before then.</summary>
    internal bool Reopen(Func<BlockOpenRequest, BlockOpenRequest> change)
    {
        BlockOpenRequest before = _request!, after = change(before);
        Close();
        try
        {
            Image = Blocking.Wait(BlockGraph.OpenAsync(after, default));
            _request = after;
            return true;
        }
        catch (ImageException e)
        {
            Tool.Error(e);
        }
        catch (BlockIoException e)
        {
            Tool.Error(ErrorText.Of(e));
        }
        Open(before.Filename, before);
        return false;
    }

    /// <summary>Closes the image when all requests are complete.</summary>
    internal void Close()
    {
        Drain();
        if (Image is null) return;
        try
        {
            Blocking.Wait(Image.DisposeAsync());
        }
        catch (BlockIoException e)
        {
            // What is left to write there are refcounts.
            Tool.Error(Image.Format.Name == "qcow2" ? $"Failed to flush the refcount block cache: {ErrorText.Of(e)}" : ErrorText.Of(e));
        }
        Image = null;
    }

    /// <summary>Remembers a request that <see cref="Drain"/> waits for.</summary>
    internal void Track(Task request)
    {
        _inFlight.RemoveAll(static task => task.IsCompleted);
        if (!request.IsCompleted) _inFlight.Add(request);
    }

    /// <summary>Returns when all requests are complete.</summary>
    internal void Drain()
    {
        Task.WhenAll(_inFlight).GetAwaiter().GetResult();
        _inFlight.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    private bool ShowHelp(IReadOnlyList<string> arguments)
    {
        IEnumerable<IoCommand> shown = arguments.Count == 0 ? _commands.OrderBy(static command => command.Name, StringComparer.Ordinal)
            : _commands.Where(command => command.Name == arguments[0] || command.Short == arguments[0]);
        bool any = false;
        foreach (IoCommand command in shown)
        {
            Tool.WriteLine(command.Usage);
            any = true;
        }
        if (!any) Tool.WriteLine($"command {arguments[0]} not found");
        else if (arguments.Count == 0) Tool.WriteLine("\nUse 'help commandname' for extended help.");
        return any;
    }
}
