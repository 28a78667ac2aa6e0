using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using Hutch.Devices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>Opens the character back ends of the devices and owns them: they are closed after the devices, so that no output is lost.</summary>
internal sealed class BackEnds(Action userLeft) : IDisposable
{
    private readonly List<ICharacterChannel> _open = [];
    private bool _standardInUse;

    /// <summary>Opens one. Throws <see cref="ConfigException"/> where that is not possible.</summary>
    internal ICharacterChannel Open(CharacterBackend backend)
    {
        ICharacterChannel channel = backend.Kind switch
        {
            CharacterBackendKind.None => new NullChannel(),
            CharacterBackendKind.Stdio => OpenStandard(),
            CharacterBackendKind.File => OpenPath(backend.Path, static path => new FileChannel(path)),
            CharacterBackendKind.Unix => OpenPath(backend.Path, static path => new UnixChannel(path)),
            CharacterBackendKind.Pty => OpenPath(backend.Path, static path => new PseudoTerminal(path)),
            _ => throw new ConfigException($"The character back end {backend.Kind} is not known."),
        };
        lock (_open) _open.Add(channel);
        return channel;
    }

    /// <summary>The machine is being ended from outside: nothing waits for a stuck reader any more. Any thread.</summary>
    internal void LosePatience()
    {
        lock (_open)
            foreach (ICharacterChannel channel in _open) (channel as IPatientChannel)?.LosePatience();
    }

    /// <summary>Flushes and closes all; the terminal gets its mode back.</summary>
    public void Dispose()
    {
        lock (_open)
        {
            foreach (ICharacterChannel channel in _open) channel.Dispose();
            _open.Clear();
        }
    }

    private StdioChannel OpenStandard()
    {
        if (_standardInUse) throw new ConfigException("Two devices want the standard input and output; give one of them another back end.");
        _standardInUse = true;
        return new StdioChannel(userLeft);
    }

    private static ICharacterChannel OpenPath(string? path, Func<string, ICharacterChannel> open)
    {
        if (string.IsNullOrEmpty(path)) throw new ConfigException("A back end of this kind needs a path, as in --serial file:PATH.");
        try
        {
            return open(path);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or SocketException or LinuxException or ArgumentException)
        {
            throw new ConfigException($"The serial back end {path} cannot be opened ({refused.Message.TrimEnd('.')}); check its directory and permissions.", refused);
        }
    }
}
