using System;
using System.IO;
using System.Text.Json;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Snapshot;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Vmm;

/// <summary>What the command line asks for: a machine to build, and the state that it goes on from, if there is one.</summary>
/// <param name="Definition">The machine.</param>
/// <param name="State">The state to go on from; owned.</param>
/// <param name="Paused">The machine does not run before it is told to.</param>
internal sealed record Launch(MachineDefinition Definition, StateFileReader? State, bool Paused) : IDisposable
{
    /// <summary>How the program is called.</summary>
    internal const string Usage = "hutch-vmm [--ready-fd N] --definition-fd N [--paused] | --definition FILE [--paused] | --restore FILE [--engine auto|kvm|software] [--name NAME] [--vnc HOST:PORT|unix:PATH|none [--vnc-password FILE]] [--paused] [--json] | --probe | --cpu-offers";

    private const int MostDefinitionBytes = 1 << 20;

    /// <summary>Reads the command line and the files that it names; null when it is not understood. Throws <see cref="ConfigException"/>.</summary>
    internal static Launch? Read(string[] arguments) => arguments switch
    {
        ["--definition-fd", string number, .. string[] options] => ReadNew(isDescriptor: true, number, options),
        ["--definition", string path, .. string[] options] => ReadNew(isDescriptor: false, path, options),
        ["--restore", string path, .. string[] options] => ReadState(path, options),
        _ => null,
    };

    /// <inheritdoc/>
    public void Dispose() => State?.Dispose();

    private static Launch? ReadNew(bool isDescriptor, string where, string[] options) => options switch
    {
        [] => new Launch(ReadDefinition(isDescriptor, where), null, Paused: false),
        ["--paused"] => new Launch(ReadDefinition(isDescriptor, where), null, Paused: true),
        _ => null,
    };

    private static Launch? ReadState(string path, string[] options)
    {
        EngineChoice? engine = null;
        string? name = null;
        bool paused = false, json = false, serves = false;
        VncConfig? vnc = null;
        for (int i = 0; i < options.Length; i++)
        {
            switch (options[i])
            {
                case "--engine" when i + 1 < options.Length && Enum.TryParse(options[++i], ignoreCase: true, out EngineChoice choice): engine = choice; break;
                case "--name" when i + 1 < options.Length: name = options[++i]; break;
                case "--vnc" when i + 1 < options.Length: (vnc, serves) = (ReadVnc(options[++i]), true); break;
                case "--vnc-password" when i + 1 < options.Length && vnc is not null: vnc = vnc with { PasswordPath = options[++i] }; break;
                case "--paused": paused = true; break;
                case "--json": json = true; break;
                default: return null;
            }
        }
        StateFileReader? state = null;
        try
        {
            state = StateFileReader.Open(path);
            MachineDefinition saved = MachineState.ReadDefinition(state.Sections);
            if (GuestMemory.LengthOf(saved.MemoryBytes, saved.PluggableBytes) != state.RamBytes)
                throw new StateException($"The state file {path} is damaged: it holds {state.RamBytes} bytes of memory and its definition says {saved.MemoryBytes}.");
            return new Launch(saved with { Engine = engine ?? saved.Engine, Name = name ?? saved.Name, Vnc = serves ? vnc : saved.Vnc, Json = json }, state, paused);
        }
        catch (StateException unusable)
        {
            state?.Dispose();
            throw new ConfigException(unusable.Message, unusable);
        }
    }

    private static VncConfig? ReadVnc(string text)
    {
        const string Unix = "unix:";
        if (text == "none") return null;
        if (text.StartsWith(Unix, StringComparison.Ordinal)) return new VncConfig(null, 0, text[Unix.Length..]);
        int colon = text.LastIndexOf(':');
        return colon >= 0 && ushort.TryParse(text.AsSpan(colon + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out ushort port)
            ? new VncConfig(text[..colon], port) : throw new ConfigException($"'{text}' is no place to serve a display; write HOST:PORT, unix:PATH or none.");
    }

    private static MachineDefinition ReadDefinition(bool isDescriptor, string where)
    {
        try
        {
            using SafeFileHandle handle = isDescriptor
                ? new SafeFileHandle(int.Parse(where, System.Globalization.CultureInfo.InvariantCulture), ownsHandle: true)
                : File.OpenHandle(where);
            byte[] json = new byte[MostDefinitionBytes];
            int length = 0;
            for (int count = 1; count != 0 && length < json.Length; length += count) count = RandomAccess.Read(handle, json.AsSpan(length), length);
            return MachineReader.Read(json.AsMemory(0, length));
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException or FormatException or OverflowException
            or ArgumentException or JsonException or NotSupportedException)
        {
            throw new ConfigException($"The machine definition {where} cannot be read: {broken.Message}", broken);
        }
    }
}
