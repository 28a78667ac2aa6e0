using System;
using Hutch.Devices;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>What comes to a machine from outside: time, keys, frames, an operator.</summary>
internal static class FuzzWorld
{
    private const int LongestFrame = 9000;

    /// <summary>Something happens.</summary>
    internal static void Act(FuzzMachine machine, Random random)
    {
        MachineServices services = machine.Services;
        switch (random.Next(10))
        {
            case 0:
                byte[] typed = new byte[random.Next(1, 40)];
                random.NextBytes(typed);
                machine.Channel.Type(typed);
                break;
            case < 4: machine.Network.Arrive(Frame(random), random.Next(2)); break;
            case 4: Press(services.Input, random); break;
            case 5:
                foreach (IScreen screen in services.Screens)
                {
                    screen.Draw(machine.Picture);
                    if (random.Next(4) == 0) _ = screen.AskForSize(random.Next(5000), random.Next(5000));
                }
                break;
            case 6: Order(machine, services, random); break;
            default: machine.Time.Advance(random.NextInt64(1L << random.Next(36))); break;
        }
    }

    private static byte[] Frame(Random random)
    {
        byte[] frame = new byte[random.Next(14, random.Next(4) == 0 ? LongestFrame : 1514)];
        random.NextBytes(frame);
        // To everybody, or to the card.
        if (random.Next(2) == 0) frame.AsSpan(0, 6).Fill(0xff);
        else ((ReadOnlySpan<byte>)[0x52, 0x54, 0, 1, 2, 3]).CopyTo(frame);
        return frame;
    }

    private static void Press(InputDevices input, Random random)
    {
        foreach (IKeyboard keyboard in input.Keyboards) keyboard.Press((byte)random.Next(256), random.Next(2) == 0);
        PointerButtons buttons = (PointerButtons)random.Next(32);
        foreach (IPointer pointer in input.Pointers) pointer.Update(random.Next(-3000, 3000), random.Next(-300, 300), random.Next(-3, 4), buttons);
        foreach (IAbsolutePointer tablet in input.Tablets) tablet.Place(random.Next(IAbsolutePointer.Range + 1), random.Next(IAbsolutePointer.Range + 1), random.Next(-3, 4), buttons);
    }

    private static void Order(FuzzMachine machine, MachineServices services, Random random)
    {
        switch (random.Next(6))
        {
            case 5: machine.ChangeMedia(random); break;
            case 0: services.Balloon?.SetTarget((ulong)random.NextInt64(1L << random.Next(40))); break;
            case 1: services.PluggableMemory?.SetTarget((ulong)random.NextInt64(128 << 20)); break;
            case 2: services.PowerButton?.Invoke(); break;
            case 3: _ = services.Balloon?.Look(); break;
            default:
                foreach (INetworkCard card in services.NetworkCards) card.SetLink(random.Next(3) != 0);
                break;
        }
    }
}
